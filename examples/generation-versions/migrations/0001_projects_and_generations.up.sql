-- What the old program has: a project, and what was generated for it, whose files lie flat under the storage root. Nothing says
-- that a generation's project has to be there.
CREATE TABLE IF NOT EXISTS projects (
    id text PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS generations (
    id uuid PRIMARY KEY,
    project_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    prompt text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    files text[] NOT NULL DEFAULT '{}'
);

CREATE INDEX IF NOT EXISTS generations_by_project ON generations (project_id);
