0001_a.sql
-- dunlin: lock-timeout = 1s
-- dunlin: lock-timeout = 2s
SELECT 1;