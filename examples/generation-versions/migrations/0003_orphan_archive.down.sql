ALTER TABLE generations DROP CONSTRAINT generations_project;

-- The old schema has a place for them.
INSERT INTO generations (id, project_id, created_at, prompt, parameters, files)
SELECT id, project_id, created_at, prompt, parameters, files FROM orphaned_generations;

DROP TABLE orphaned_generations;
