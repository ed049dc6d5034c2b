0003_index_names.up.sql
-- dunlin: no-transaction
CREATE INDEX CONCURRENTLY users_last_name ON users (last_name);
