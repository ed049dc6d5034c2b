-- An older variant of that script, which somebody has run as well: ids as text, and so no foreign keys.
ALTER TABLE collections ADD COLUMN IF NOT EXISTS episode_id text;
ALTER TABLE collections ADD COLUMN IF NOT EXISTS parent_collection_id text;
