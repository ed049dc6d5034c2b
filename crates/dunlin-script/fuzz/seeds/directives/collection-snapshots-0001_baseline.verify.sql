0001_baseline.verify.sql
-- Name, type and nullability of every column. `collections` may have more: somebody may have run the old script.
SELECT array_agg(concat_ws(' ', column_name, data_type, is_nullable) ORDER BY ordinal_position) = ARRAY[
    'id uuid NO', 'title text NO', 'created_at timestamp with time zone NO'
] AS episodes_columns
FROM information_schema.columns
WHERE table_schema = current_schema AND table_name = 'episodes';

SELECT array_agg(concat_ws(' ', column_name, data_type, is_nullable) ORDER BY ordinal_position) @> ARRAY[
    'id uuid NO', 'group_id uuid NO', 'status text NO', 'created_at timestamp with time zone NO',
    'updated_at timestamp with time zone NO', 'name text NO', 'description text YES'
] AS collections_columns
FROM information_schema.columns
WHERE table_schema = current_schema AND table_name = 'collections';

SELECT count(*) = 2 AS primary_keys
FROM pg_catalog.pg_constraint
WHERE conrelid IN ('episodes'::regclass, 'collections'::regclass)
    AND contype = 'p' AND pg_catalog.pg_get_constraintdef(oid) = 'PRIMARY KEY (id)';
