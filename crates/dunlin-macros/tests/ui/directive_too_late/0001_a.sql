SELECT 1;
-- dunlin: no-transaction
VACUUM;