SELECT array_agg(concat_ws(' ', column_name, data_type) ORDER BY ordinal_position) @> ARRAY[
    'id uuid', 'project_id text', 'created_at timestamp with time zone', 'prompt text', 'parameters jsonb', 'files ARRAY'
] AS generations_columns
FROM information_schema.columns
WHERE table_schema = current_schema AND table_name = 'generations';
