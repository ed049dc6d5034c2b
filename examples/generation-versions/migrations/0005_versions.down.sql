DROP TRIGGER replace_active_generation ON generations;
DROP FUNCTION replace_active_generation();
DROP TRIGGER number_generation ON generations;
DROP FUNCTION number_generation();

ALTER TABLE generations DROP COLUMN storage_path, DROP COLUMN is_active, DROP COLUMN version;
ALTER TABLE projects DROP COLUMN has_active, DROP COLUMN active_generation_id, DROP COLUMN latest_version;
