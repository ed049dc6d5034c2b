0001_a.sql
SELECT 1;
-- dunlin: no-transaction
VACUUM;