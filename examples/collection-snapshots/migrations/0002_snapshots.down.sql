-- Without the columns a snapshot no longer says which episode it was taken for, and the old program does not know its
-- status: rather than lose that without a word, this stops.
DO $$
DECLARE
    snapshots bigint := (SELECT count(*) FROM collections WHERE status = 'snapshot' OR episode_id IS NOT NULL);
BEGIN
    IF snapshots > 0 THEN
        RAISE EXCEPTION '% of the collections would lose their episode: remove or export them first', snapshots;
    END IF;
END
$$;

ALTER TABLE collections
    DROP CONSTRAINT collections_status_check,
    DROP COLUMN parent_collection_id,
    DROP COLUMN episode_id;
