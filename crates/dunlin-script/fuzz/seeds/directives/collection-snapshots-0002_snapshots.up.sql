0002_snapshots.up.sql
-- dunlin: lock-timeout = 500ms
-- Every statement stands being run where the old script has already run, wholly or half way. No row is rewritten.
ALTER TABLE collections ADD COLUMN IF NOT EXISTS episode_id uuid REFERENCES episodes (id);
ALTER TABLE collections ADD COLUMN IF NOT EXISTS parent_collection_id uuid REFERENCES collections (id);

ALTER TABLE collections DROP CONSTRAINT IF EXISTS collections_status_check;
ALTER TABLE collections
    ADD CONSTRAINT collections_status_check CHECK (status IN ('building', 'ready', 'snapshot'));
