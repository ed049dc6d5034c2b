-- dunlin: no-transaction
DROP INDEX CONCURRENTLY generations_whether_active;
DROP INDEX CONCURRENTLY generations_active;
DROP INDEX CONCURRENTLY generations_version;
