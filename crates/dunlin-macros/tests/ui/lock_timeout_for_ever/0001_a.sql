-- dunlin: lock-timeout = 0
SELECT 1;