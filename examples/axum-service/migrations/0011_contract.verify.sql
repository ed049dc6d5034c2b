SELECT attnotnull AS counted FROM pg_attribute WHERE attrelid = 'utterances'::regclass AND attname = 'words';
SELECT to_regclass('utterances_search') IS NULL AS gone;
