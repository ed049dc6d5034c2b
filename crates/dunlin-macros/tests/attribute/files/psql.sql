SELECT 1;
\i users.sql
