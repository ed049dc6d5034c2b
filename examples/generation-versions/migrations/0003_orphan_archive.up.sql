CREATE TABLE orphaned_generations (
    LIKE generations INCLUDING DEFAULTS,
    archived_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id)
);

-- From here on there are no new ones, whatever the old program does. Those that there are stay until they are archived.
ALTER TABLE generations
    ADD CONSTRAINT generations_project FOREIGN KEY (project_id) REFERENCES projects (id) NOT VALID;
