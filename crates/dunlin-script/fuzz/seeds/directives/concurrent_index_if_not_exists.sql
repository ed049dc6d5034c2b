0001_a.sql
-- dunlin: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);
