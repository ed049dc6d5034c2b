0001_a.sql
-- dunlin: lock-timeout = 2
SELECT 1;