0001_a.sql
-- dunlin: lock-timeout = 0
SELECT 1;