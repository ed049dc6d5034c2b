-- dunlin: no-transaction
-- Built while generations are created. If that breaks off, the next run drops the invalid rest and starts again.
CREATE UNIQUE INDEX CONCURRENTLY generations_version ON generations (project_id, version);
CREATE UNIQUE INDEX CONCURRENTLY generations_active ON generations (project_id) WHERE is_active;
CREATE UNIQUE INDEX CONCURRENTLY generations_whether_active ON generations (id, project_id, is_active);
