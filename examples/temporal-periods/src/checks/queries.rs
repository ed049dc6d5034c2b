//! The queries: each counts how much of something there is, and how much there should be.

/// What there is to hold rows. As long as some of it is missing nothing else can be counted.
pub(super) const OBJECTS: [(&str, &str); 7] = [
    (
        "migrations in the history",
        "SELECT count(*), 5::bigint FROM dunlin_history WHERE version BETWEEN 1 AND 5",
    ),
    (
        "extensions, in the server's version",
        "SELECT count(*), 2::bigint FROM pg_available_extensions
        WHERE name IN ('btree_gist', 'pg_trgm') AND installed_version = default_version",
    ),
    (
        "tables of the layer",
        "SELECT count(*), 5::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema::regnamespace
            AND relname IN ('analysis_periods', 'period_content_snapshots', 'temporal_events', 'event_contents',
                'crawl_effectiveness')",
    ),
    (
        "columns of topics, users and contents",
        "SELECT count(*), 11::bigint FROM pg_attribute WHERE NOT attisdropped
            AND (attrelid IN ('topics'::regclass, 'users'::regclass) AND attname IN ('current_period_number', 'last_period_id',
                'total_periods', 'first_analysis_at', 'avg_period_duration_hours')
                OR attrelid = 'contents'::regclass AND attname = 'analysis_period_id')",
    ),
    (
        "views",
        "SELECT count(*), 3::bigint FROM pg_class WHERE relkind = 'v' AND relnamespace = current_schema::regnamespace
            AND relname IN ('v_period_timeline', 'v_entity_timeline_summary', 'v_crawl_effectiveness_ranking')",
    ),
    (
        "materialized views with a unique index",
        "SELECT count(*), 1::bigint FROM pg_class AS c JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisunique AND i.indisvalid
        WHERE c.oid = 'mv_period_metrics_trend'::regclass AND c.relkind = 'm'",
    ),
    (
        "functions",
        "SELECT count(*), 4::bigint FROM pg_proc WHERE pronamespace = current_schema::regnamespace
            AND proname IN ('get_period_by_number', 'get_content_timeline', 'detect_metric_anomalies', 'recompute_metrics_delta')",
    ),
];

/// What the rows are like.
pub(super) const ROWS: [(&str, &str); 12] = [
    (
        "exclusion constraints",
        "SELECT count(*), 1::bigint FROM pg_constraint
        WHERE conrelid = 'analysis_periods'::regclass AND contype = 'x' AND convalidated",
    ),
    (
        "topics with contents, that have a period 0",
        "SELECT count(*) FILTER (WHERE p.id IS NOT NULL), count(*) FROM topics AS e
        LEFT JOIN analysis_periods AS p ON (p.entity_type, p.entity_id, p.period_number) = ('topic', e.id, 0)
        WHERE EXISTS (SELECT FROM contents AS c WHERE (c.entity_type, c.entity_id) = ('topic', e.id))",
    ),
    (
        "users with contents, that have a period 0",
        "SELECT count(*) FILTER (WHERE p.id IS NOT NULL), count(*) FROM users AS e
        LEFT JOIN analysis_periods AS p ON (p.entity_type, p.entity_id, p.period_number) = ('user', e.id, 0)
        WHERE EXISTS (SELECT FROM contents AS c WHERE (c.entity_type, c.entity_id) = ('user', e.id))",
    ),
    (
        "periods of nobody, or of who has no contents",
        "SELECT count(*), 0::bigint FROM analysis_periods AS p
        WHERE NOT EXISTS (SELECT FROM contents AS c WHERE (c.entity_type, c.entity_id) = (p.entity_type, p.entity_id))
            OR NOT EXISTS (SELECT FROM topics WHERE p.entity_type = 'topic' AND topics.id = p.entity_id)
            AND NOT EXISTS (SELECT FROM users WHERE p.entity_type = 'user' AND users.id = p.entity_id)",
    ),
    (
        "contents of topics and users, that are linked",
        "SELECT count(c.analysis_period_id), count(*) FROM contents AS c
        WHERE EXISTS (SELECT FROM topics WHERE c.entity_type = 'topic' AND topics.id = c.entity_id)
            OR EXISTS (SELECT FROM users WHERE c.entity_type = 'user' AND users.id = c.entity_id)",
    ),
    (
        "contents that are linked to the period of another",
        "SELECT count(*), 0::bigint FROM contents AS c JOIN analysis_periods AS p ON p.id = c.analysis_period_id
        WHERE (p.entity_type, p.entity_id) <> (c.entity_type, c.entity_id)
            OR c.published_at NOT BETWEEN p.started_at AND p.ended_at",
    ),
    (
        "periods with other contents or times than they say",
        "SELECT count(*), 0::bigint FROM analysis_periods AS p LEFT JOIN (
            SELECT analysis_period_id AS id, count(*) AS contents, min(published_at) AS first, max(published_at) AS last
            FROM contents GROUP BY analysis_period_id
        ) AS c USING (id)
        WHERE p.period_number = 0 AND (p.content_count, p.started_at, p.ended_at) IS DISTINCT FROM (c.contents, c.first, c.last)",
    ),
    (
        "active periods of one entity that overlap",
        "SELECT count(*), 0::bigint FROM analysis_periods AS a JOIN analysis_periods AS b
            ON (a.entity_type, a.entity_id) = (b.entity_type, b.entity_id) AND a.id < b.id
            AND a.started_at <= b.ended_at AND b.started_at <= a.ended_at
        WHERE a.status = 'active' AND b.status = 'active'",
    ),
    (
        "periods whose status is not what deletions say",
        "SELECT count(*), 0::bigint FROM analysis_periods AS p
        LEFT JOIN topics AS t ON p.entity_type = 'topic' AND t.id = p.entity_id
        LEFT JOIN users AS u ON p.entity_type = 'user' AND u.id = p.entity_id
        WHERE p.period_number = 0 AND (p.status = 'archived') <> (coalesce(t.deleted_at, u.deleted_at) IS NOT NULL)",
    ),
    (
        "topics whose columns are not what their periods say",
        "SELECT count(*), 0::bigint FROM topics AS e LEFT JOIN (
            SELECT entity_id AS id, max(period_number) AS current, count(*) AS total, min(started_at) AS first,
                avg(duration_hours) AS hours
            FROM analysis_periods WHERE entity_type = 'topic' GROUP BY entity_id
        ) AS p USING (id)
        WHERE (e.current_period_number, e.total_periods, e.first_analysis_at, e.avg_period_duration_hours, e.last_period_id IS NULL)
            IS DISTINCT FROM (p.current, coalesce(p.total, 0), p.first, p.hours, p.total IS NULL)",
    ),
    (
        "users whose columns are not what their periods say",
        "SELECT count(*), 0::bigint FROM users AS e LEFT JOIN (
            SELECT entity_id AS id, max(period_number) AS current, count(*) AS total, min(started_at) AS first,
                avg(duration_hours) AS hours
            FROM analysis_periods WHERE entity_type = 'user' GROUP BY entity_id
        ) AS p USING (id)
        WHERE (e.current_period_number, e.total_periods, e.first_analysis_at, e.avg_period_duration_hours, e.last_period_id IS NULL)
            IS DISTINCT FROM (p.current, coalesce(p.total, 0), p.first, p.hours, p.total IS NULL)",
    ),
    (
        "periods that have lost something of the summary",
        "SELECT count(*), 0::bigint FROM analysis_periods AS p JOIN (
            SELECT 'topic' AS entity_type, id AS entity_id, summary_data FROM topics
            UNION ALL SELECT 'user', id, summary_data FROM users
        ) AS e USING (entity_type, entity_id)
        WHERE p.period_number = 0 AND p.insights || p.metrics IS DISTINCT FROM CASE
            WHEN e.summary_data IS NULL THEN '{}'
            WHEN jsonb_typeof(e.summary_data) = 'object' THEN e.summary_data
            ELSE jsonb_build_object('summary', e.summary_data)
        END",
    ),
];
