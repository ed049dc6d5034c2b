0001_a.sql
SELECT 1;
-- café
