0003_index_names.verify.sql
SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_last_name'::regclass;
