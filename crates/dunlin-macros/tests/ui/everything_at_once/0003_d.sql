-- dunlin: no-transaktion
VACUUM;
\i x.sql
SELECT 'a
