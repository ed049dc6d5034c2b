-- NULL is a project whose generations have no numbers yet; one that is made from here on has none to be numbered.
ALTER TABLE projects
    ADD COLUMN latest_version integer,
    ADD COLUMN active_generation_id uuid,
    ADD COLUMN has_active boolean GENERATED ALWAYS AS (active_generation_id IS NOT NULL) STORED;
ALTER TABLE projects ALTER COLUMN latest_version SET DEFAULT 0;

ALTER TABLE generations
    ADD COLUMN version integer,
    ADD COLUMN is_active boolean NOT NULL DEFAULT false,
    ADD COLUMN storage_path text;

-- The old program goes on and knows nothing of versions. Whoever creates a generation has the lock of its project until the end
-- of the transaction, so that they come one after the other. The newest is the active one, as it has always been.
CREATE FUNCTION number_generation() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    latest integer;
BEGIN
    SELECT latest_version INTO latest FROM projects WHERE id = NEW.project_id FOR NO KEY UPDATE;
    -- The foreign key says that there is no such project.
    IF NOT FOUND THEN
        NEW.version := 1;
        RETURN NEW;
    END IF;
    -- now() is when the transaction began, which may be before that of a generation with a lower number.
    IF NEW.created_at = now() THEN
        NEW.created_at := clock_timestamp();
    END IF;
    -- The backfill numbers the generations of this project, this one among them.
    IF latest IS NULL THEN
        NEW.version := NULL;
        NEW.is_active := false;
        RETURN NEW;
    END IF;
    NEW.version := latest + 1;
    NEW.is_active := true;
    UPDATE generations SET is_active = false WHERE project_id = NEW.project_id AND is_active;
    UPDATE projects SET latest_version = NEW.version, active_generation_id = NEW.id WHERE id = NEW.project_id;
    RETURN NEW;
END
$$;

CREATE TRIGGER number_generation BEFORE INSERT ON generations
    FOR EACH ROW EXECUTE FUNCTION number_generation();

-- When the active generation is deleted, the newest of those that are left takes its place.
CREATE FUNCTION replace_active_generation() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    successor uuid;
BEGIN
    PERFORM FROM projects WHERE id = OLD.project_id FOR NO KEY UPDATE;
    SELECT id INTO successor FROM generations WHERE project_id = OLD.project_id ORDER BY version DESC LIMIT 1;
    UPDATE generations SET is_active = true WHERE id = successor;
    UPDATE projects SET active_generation_id = successor WHERE id = OLD.project_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER replace_active_generation AFTER DELETE ON generations
    FOR EACH ROW WHEN (OLD.is_active) EXECUTE FUNCTION replace_active_generation();
