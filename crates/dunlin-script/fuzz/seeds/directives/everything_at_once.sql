c.sql
SELECT 1;
