-- `ADD COLUMN IF NOT EXISTS` is content with a column of any kind. This is not.
SELECT count(*) = 1 AS episode_id_is_a_nullable_uuid
FROM information_schema.columns
WHERE table_schema = current_schema AND table_name = 'collections' AND column_name = 'episode_id'
    AND data_type = 'uuid' AND is_nullable = 'YES' AND column_default IS NULL;

SELECT count(*) = 1 AS parent_collection_id_is_a_nullable_uuid
FROM information_schema.columns
WHERE table_schema = current_schema AND table_name = 'collections' AND column_name = 'parent_collection_id'
    AND data_type = 'uuid' AND is_nullable = 'YES' AND column_default IS NULL;

SELECT count(*) = 1 AS episode_id_references_episodes
FROM pg_catalog.pg_constraint
WHERE conrelid = 'collections'::regclass AND contype = 'f' AND convalidated
    AND confrelid = 'episodes'::regclass
    AND pg_catalog.pg_get_constraintdef(oid) LIKE 'FOREIGN KEY (episode_id) REFERENCES %(id)';

SELECT count(*) = 1 AS parent_collection_id_references_collections
FROM pg_catalog.pg_constraint
WHERE conrelid = 'collections'::regclass AND contype = 'f' AND convalidated
    AND confrelid = 'collections'::regclass
    AND pg_catalog.pg_get_constraintdef(oid) LIKE 'FOREIGN KEY (parent_collection_id) REFERENCES %(id)';

-- Not only that there is a constraint, but that it does what it is for.
SELECT bool_and(convalidated) AS status_is_constrained
FROM pg_catalog.pg_constraint
WHERE conrelid = 'collections'::regclass AND conname = 'collections_status_check';

DO $$
BEGIN
    INSERT INTO collections (group_id, status, name)
    SELECT gen_random_uuid(), status, 'verify' FROM unnest(ARRAY['building', 'ready', 'snapshot']) AS status;
    BEGIN
        INSERT INTO collections (group_id, status, name) VALUES (gen_random_uuid(), 'archived', 'verify');
    EXCEPTION
        WHEN check_violation THEN RETURN;
    END;
    RAISE EXCEPTION 'a status that nobody knows was let in';
END
$$;
