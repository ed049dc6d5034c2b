-- dunlin: no-transactions
SELECT 1;