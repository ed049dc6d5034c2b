-- dunlin: no-transaction
CREATE INDEX CONCURRENTLY ON t (a);
