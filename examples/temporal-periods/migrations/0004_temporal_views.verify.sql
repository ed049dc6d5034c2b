SELECT count(*) = 10 AS topics_and_users_are_tracked
FROM information_schema.columns
WHERE table_schema = current_schema AND table_name IN ('topics', 'users') AND (column_name, data_type, is_nullable) IN (
    ('current_period_number', 'integer', 'YES'),
    ('last_period_id', 'bigint', 'YES'),
    ('total_periods', 'integer', 'NO'),
    ('first_analysis_at', 'timestamp with time zone', 'YES'),
    ('avg_period_duration_hours', 'double precision', 'YES')
);

SELECT count(*) = 3 AS periods_are_referenced
FROM pg_catalog.pg_constraint
WHERE contype = 'f' AND convalidated AND confrelid = 'analysis_periods'::regclass
    AND conrelid IN ('topics'::regclass, 'users'::regclass, 'contents'::regclass);

SELECT count(*) = 4 AS views
FROM pg_catalog.pg_class
WHERE (oid, relkind) IN (
    ('v_period_timeline'::regclass, 'v'), ('v_entity_timeline_summary'::regclass, 'v'),
    ('v_crawl_effectiveness_ranking'::regclass, 'v'), ('mv_period_metrics_trend'::regclass, 'm')
);

SELECT indisunique AND indisvalid AND indpred IS NULL AS the_trend_can_be_refreshed_concurrently
FROM pg_catalog.pg_index
WHERE indexrelid = 'mv_period_metrics_trend_key'::regclass;

SELECT 'get_period_by_number(text, bigint, integer)'::regprocedure IS NOT NULL
    AND 'get_content_timeline(text, bigint, timestamptz, timestamptz)'::regprocedure IS NOT NULL
    AND 'detect_metric_anomalies(text, bigint, double precision)'::regprocedure IS NOT NULL
    AND 'recompute_metrics_delta(bigint)'::regprocedure IS NOT NULL AS functions;

-- Not only that there is a constraint, but that it does what it is for.
DO $$
DECLARE
    nobody constant bigint := -1;
BEGIN
    INSERT INTO analysis_periods (entity_type, entity_id, period_number, started_at, ended_at, status)
    VALUES
        ('topic', nobody, 0, '2026-01-01', '2026-02-01', 'active'),
        ('topic', nobody, 1, '2026-01-15', '2026-02-15', 'closed'),
        ('topic', nobody, 2, '2026-02-02', '2026-03-01', 'active'),
        ('user', nobody, 0, '2026-01-15', '2026-02-15', 'active');
    BEGIN
        INSERT INTO analysis_periods (entity_type, entity_id, period_number, started_at, ended_at)
        VALUES ('topic', nobody, 3, '2026-02-01', '2026-02-01');
    EXCEPTION
        WHEN exclusion_violation THEN RETURN;
    END;
    RAISE EXCEPTION 'an active period that overlaps another was let in';
END
$$;
