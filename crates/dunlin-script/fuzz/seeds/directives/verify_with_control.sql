0001_a.verify.sql
-- dunlin: no-transaction
SELECT true;
ROLLBACK;
