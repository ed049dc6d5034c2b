-- What somebody piped into psql by hand, database by database, outside a transaction: where it broke off, it broke off.
ALTER TABLE collections ADD COLUMN IF NOT EXISTS episode_id uuid REFERENCES episodes (id);
ALTER TABLE collections ADD COLUMN IF NOT EXISTS parent_collection_id uuid REFERENCES collections (id);
ALTER TABLE collections DROP CONSTRAINT IF EXISTS collections_status_check;
ALTER TABLE collections ADD CONSTRAINT collections_status_check CHECK (status IN ('building', 'ready', 'snapshot'));
