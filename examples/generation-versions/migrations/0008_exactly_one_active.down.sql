DROP FUNCTION activate_generation(text, integer);
DROP TRIGGER require_active_generation ON projects;
DROP FUNCTION require_active_generation();
ALTER TABLE projects
    DROP CONSTRAINT projects_active_generation,
    DROP CONSTRAINT projects_latest_version_counts,
    ALTER COLUMN latest_version DROP NOT NULL;

-- The index goes with its constraint; the migration before made it without one.
ALTER TABLE generations
    DROP CONSTRAINT generations_whether_active,
    DROP CONSTRAINT generations_version_counts,
    ALTER COLUMN version DROP NOT NULL,
    DROP CONSTRAINT generations_project,
    ADD CONSTRAINT generations_project FOREIGN KEY (project_id) REFERENCES projects (id) NOT VALID;
CREATE UNIQUE INDEX generations_whether_active ON generations (id, project_id, is_active);
