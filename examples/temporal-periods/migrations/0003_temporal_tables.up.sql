-- The temporal layer, one of three: what it is made of. Nothing that exists is touched, and nothing at all before it is known that the
-- extensions can be had.
DO $preflight$
DECLARE
    wanted constant text[] := ARRAY['btree_gist', 'pg_trgm'];
    is_super constant boolean := (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user);
    may_create constant boolean := pg_catalog.has_database_privilege(current_database(), 'CREATE');
    unknown text;
    denied text;
    remedy text;
BEGIN
    SELECT string_agg(w.name, ' and ')
    INTO unknown
    FROM unnest(wanted) AS w (name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = w.name)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS a WHERE a.name = w.name);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'the server has no extension % to create: install the contrib modules of PostgreSQL % on it, and migrate again',
            unknown, current_setting('server_version_num')::integer / 10000
            USING ERRCODE = 'feature_not_supported';
    END IF;

    -- A trusted extension may be created by whoever may create anything in the database (PostgreSQL 13 and later).
    SELECT string_agg(a.name, ' and '), string_agg(format('CREATE EXTENSION %I', a.name), '; ')
    INTO denied, remedy
    FROM pg_catalog.pg_available_extensions AS a
    JOIN pg_catalog.pg_available_extension_versions AS v ON v.name = a.name AND v.version = a.default_version
    WHERE a.name = ANY (wanted) AND a.installed_version IS NULL
        AND NOT is_super AND NOT (may_create AND (v.trusted OR NOT v.superuser));
    IF denied IS NOT NULL THEN
        RAISE EXCEPTION 'the role % may not create the extensions % in the database %: run `GRANT CREATE ON DATABASE % TO %`, or let a superuser run `%` there, and migrate again',
            quote_ident(current_user), denied, quote_ident(current_database()), quote_ident(current_database()),
            quote_ident(current_user), remedy
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$preflight$;

-- The comment says whose an extension is: one that was there before stays when this is rolled back.
DO $extensions$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['btree_gist', 'pg_trgm'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = wanted) THEN
            EXECUTE format('CREATE EXTENSION %I', wanted);
            EXECUTE format('COMMENT ON EXTENSION %I IS %L', wanted, 'came with the temporal layer');
        END IF;
    END LOOP;
END
$extensions$;

-- A stretch of time in which an entity was looked at. Period 0 is what there was before there were periods.
CREATE TABLE analysis_periods (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_type text NOT NULL CHECK (entity_type IN ('topic', 'user')),
    entity_id bigint NOT NULL,
    period_number integer NOT NULL CHECK (period_number >= 0),
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    duration_hours double precision NOT NULL
        GENERATED ALWAYS AS (extract(epoch FROM ended_at - started_at) / 3600) STORED,
    content_count bigint NOT NULL DEFAULT 0 CHECK (content_count >= 0),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed', 'archived')),
    insights jsonb NOT NULL DEFAULT '{}',
    metrics jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metrics) = 'object'),
    metrics_delta jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (entity_type, entity_id, period_number),
    CHECK (ended_at >= started_at)
);

-- What contents were like when a period was analyzed.
CREATE TABLE period_content_snapshots (
    period_id bigint NOT NULL REFERENCES analysis_periods ON DELETE CASCADE,
    content_id bigint NOT NULL REFERENCES contents ON DELETE CASCADE,
    engagement jsonb NOT NULL DEFAULT '{}',
    captured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (period_id, content_id)
);

-- What has happened, as contents tell.
CREATE TABLE temporal_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_type text NOT NULL CHECK (entity_type IN ('topic', 'user')),
    entity_id bigint NOT NULL,
    period_id bigint REFERENCES analysis_periods ON DELETE CASCADE,
    title text NOT NULL,
    occurred_at timestamptz NOT NULL,
    significance double precision CHECK (significance BETWEEN 0 AND 1),
    details jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX temporal_events_by_entity ON temporal_events (entity_type, entity_id, occurred_at);
CREATE INDEX temporal_events_by_words ON temporal_events USING gin (title gin_trgm_ops);

CREATE TABLE event_contents (
    event_id bigint NOT NULL REFERENCES temporal_events ON DELETE CASCADE,
    content_id bigint NOT NULL REFERENCES contents ON DELETE CASCADE,
    relevance double precision CHECK (relevance BETWEEN 0 AND 1),
    PRIMARY KEY (event_id, content_id)
);

-- What a crawl has brought for a period.
CREATE TABLE crawl_effectiveness (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period_id bigint NOT NULL REFERENCES analysis_periods ON DELETE CASCADE,
    task_id bigint REFERENCES tasks ON DELETE SET NULL,
    contents_found integer NOT NULL CHECK (contents_found >= 0),
    contents_new integer NOT NULL CHECK (contents_new BETWEEN 0 AND contents_found),
    took interval NOT NULL CHECK (took >= interval '0'),
    crawled_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX crawl_effectiveness_by_period ON crawl_effectiveness (period_id);
