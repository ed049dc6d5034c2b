SELECT indisvalid AND indisready AS usable FROM pg_index WHERE indexrelid = 'utterances_in_english'::regclass;
