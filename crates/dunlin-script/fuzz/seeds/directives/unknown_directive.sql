0001_a.sql
-- dunlin: no-transactions
SELECT 1;