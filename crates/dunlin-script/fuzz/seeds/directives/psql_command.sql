0001_a.sql
\connect other
SELECT 1;
