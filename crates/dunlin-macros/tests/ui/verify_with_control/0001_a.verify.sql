-- dunlin: no-transaction
SELECT true;
ROLLBACK;
