ALTER TABLE generations VALIDATE CONSTRAINT generations_project;
ALTER TABLE generations
    ALTER COLUMN version SET NOT NULL,
    ADD CONSTRAINT generations_version_counts CHECK (version > 0),
    ADD CONSTRAINT generations_whether_active UNIQUE USING INDEX generations_whether_active;

-- At most one: `generations_active` is unique. At least one: a project has an active generation (the trigger below), and what it
-- has is a generation of its own that says so itself, as `has_active` is true then and has to be its `is_active`. Whoever changes
-- which one it is does so in one transaction.
ALTER TABLE projects
    ALTER COLUMN latest_version SET NOT NULL,
    ADD CONSTRAINT projects_latest_version_counts CHECK (latest_version >= 0),
    ADD CONSTRAINT projects_active_generation FOREIGN KEY (active_generation_id, id, has_active)
        REFERENCES generations (id, project_id, is_active) DEFERRABLE INITIALLY DEFERRED;

-- Who adds a generation has the lock of the project's row, and so has who takes the active one away: no two transactions that
-- do not see each other can leave a project without one.
CREATE FUNCTION require_active_generation() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM projects WHERE id = NEW.id AND active_generation_id IS NULL)
        AND EXISTS (SELECT FROM generations WHERE project_id = NEW.id)
    THEN
        RAISE EXCEPTION 'a project with generations has no active one' USING
            ERRCODE = 'check_violation',
            CONSTRAINT = 'require_active_generation',
            TABLE = 'projects',
            HINT = 'Set active_generation_id, and is_active of that generation, in the same transaction.';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER require_active_generation AFTER INSERT OR UPDATE ON projects
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.active_generation_id IS NULL) EXECUTE FUNCTION require_active_generation();

-- How the new program makes another version the active one.
CREATE FUNCTION activate_generation(project text, number integer) RETURNS boolean LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
    chosen uuid;
BEGIN
    PERFORM FROM projects WHERE id = project FOR NO KEY UPDATE;
    SELECT id INTO chosen FROM generations WHERE project_id = project AND version = number;
    IF chosen IS NULL THEN
        RETURN false;
    END IF;
    UPDATE generations SET is_active = false WHERE project_id = project AND is_active AND id <> chosen;
    UPDATE generations SET is_active = true WHERE id = chosen AND NOT is_active;
    UPDATE projects SET active_generation_id = chosen WHERE id = project;
    RETURN true;
END
$$;
