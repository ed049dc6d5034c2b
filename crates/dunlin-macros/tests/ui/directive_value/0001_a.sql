-- dunlin: lock-timeout = 2
SELECT 1;