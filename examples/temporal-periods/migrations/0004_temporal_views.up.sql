-- dunlin: lock-timeout = 500ms
-- Two of three: what the old tables get, what must always hold, and how it is looked at. No row is rewritten.
ALTER TABLE topics
    ADD COLUMN current_period_number integer,
    ADD COLUMN last_period_id bigint REFERENCES analysis_periods,
    ADD COLUMN total_periods integer NOT NULL DEFAULT 0,
    ADD COLUMN first_analysis_at timestamptz,
    ADD COLUMN avg_period_duration_hours double precision;

ALTER TABLE users
    ADD COLUMN current_period_number integer,
    ADD COLUMN last_period_id bigint REFERENCES analysis_periods,
    ADD COLUMN total_periods integer NOT NULL DEFAULT 0,
    ADD COLUMN first_analysis_at timestamptz,
    ADD COLUMN avg_period_duration_hours double precision;

-- It has no index of its own: the contents of a period are found by its entity and its time (`contents_by_entity`), and a column without
-- an index is filled without any index being told.
ALTER TABLE contents ADD COLUMN analysis_period_id bigint REFERENCES analysis_periods;

ALTER TABLE analysis_periods ADD CONSTRAINT analysis_periods_never_overlap
    EXCLUDE USING gist (entity_type WITH =, entity_id WITH =, tstzrange(started_at, ended_at, '[]') WITH &&)
    WHERE (status = 'active');

CREATE VIEW v_period_timeline AS
SELECT p.id AS period_id, p.entity_type, p.entity_id, coalesce(t.name, u.handle) AS entity_name, p.period_number, p.status,
    p.started_at, p.ended_at, p.duration_hours, p.content_count,
    extract(epoch FROM p.started_at - lag(p.ended_at) OVER timeline) / 3600 AS hours_since_previous,
    p.content_count - lag(p.content_count) OVER timeline AS contents_more_than_previous
FROM analysis_periods AS p
LEFT JOIN topics AS t ON p.entity_type = 'topic' AND t.id = p.entity_id
LEFT JOIN users AS u ON p.entity_type = 'user' AND u.id = p.entity_id
WINDOW timeline AS (PARTITION BY p.entity_type, p.entity_id ORDER BY p.period_number);

CREATE VIEW v_entity_timeline_summary AS
SELECT entity_type, entity_id, min(entity_name) AS entity_name, count(*) AS periods,
    count(*) FILTER (WHERE status = 'active') AS active_periods, sum(content_count) AS contents,
    min(started_at) AS first_at, max(ended_at) AS last_at, avg(duration_hours) AS avg_duration_hours
FROM v_period_timeline
GROUP BY entity_type, entity_id;

CREATE VIEW v_crawl_effectiveness_ranking AS
SELECT rank() OVER (ORDER BY crawls.yield DESC NULLS LAST) AS place, p.entity_type, p.entity_id, p.period_number, crawls.*
FROM (
    SELECT period_id, count(*) AS crawls, sum(contents_found) AS contents_found, sum(contents_new) AS contents_new,
        sum(contents_new)::double precision / nullif(sum(contents_found), 0) AS yield,
        sum(contents_new) * 3600 / nullif(extract(epoch FROM sum(took)), 0) AS new_per_hour
    FROM crawl_effectiveness
    GROUP BY period_id
) AS crawls
JOIN analysis_periods AS p ON p.id = crawls.period_id;

-- Empty until it is refreshed for the first time, which can't be done CONCURRENTLY.
CREATE MATERIALIZED VIEW mv_period_metrics_trend AS
SELECT p.entity_type, p.entity_id, m.key AS metric, p.period_number, m.value::numeric AS value,
    m.value::numeric - lag(m.value::numeric) OVER trend AS change,
    avg(m.value::numeric) OVER (trend ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS average_of_three
FROM analysis_periods AS p
CROSS JOIN LATERAL jsonb_each_text(p.metrics) AS m
WHERE jsonb_typeof(p.metrics -> m.key) = 'number'
WINDOW trend AS (PARTITION BY p.entity_type, p.entity_id, m.key ORDER BY p.period_number)
WITH NO DATA;

-- What CONCURRENTLY tells rows apart by.
CREATE UNIQUE INDEX mv_period_metrics_trend_key
    ON mv_period_metrics_trend (entity_type, entity_id, metric, period_number);

CREATE FUNCTION get_period_by_number(of_type text, of_id bigint, number integer)
RETURNS SETOF analysis_periods
LANGUAGE sql STABLE AS $$
    SELECT * FROM analysis_periods WHERE entity_type = of_type AND entity_id = of_id AND period_number = number
$$;

CREATE FUNCTION get_content_timeline(
    of_type text, of_id bigint, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity'
)
RETURNS TABLE (
    content_id bigint, title text, published_at timestamptz, period_number integer, hours_into_period double precision
)
LANGUAGE sql STABLE AS $$
    SELECT c.id, c.title, c.published_at, p.period_number, extract(epoch FROM c.published_at - p.started_at) / 3600
    FROM contents AS c
    LEFT JOIN analysis_periods AS p ON p.id = c.analysis_period_id
    WHERE c.entity_type = of_type AND c.entity_id = of_id AND c.published_at BETWEEN since AND until
    ORDER BY c.published_at, c.id
$$;

-- The values that are further from the mean of the entity's other periods than so many standard deviations of these.
CREATE FUNCTION detect_metric_anomalies(of_type text, of_id bigint, deviations double precision DEFAULT 3)
RETURNS TABLE (period_number integer, metric text, value numeric, usual numeric, deviation double precision)
LANGUAGE sql STABLE AS $$
    WITH measured AS (
        SELECT p.period_number, m.key AS metric, m.value::numeric AS value
        FROM analysis_periods AS p
        CROSS JOIN LATERAL jsonb_each_text(p.metrics) AS m
        WHERE p.entity_type = of_type AND p.entity_id = of_id AND jsonb_typeof(p.metrics -> m.key) = 'number'
    )
    SELECT this.period_number, this.metric, this.value, others.usual,
        ((this.value - others.usual) / nullif(others.spread, 0))::double precision
    FROM measured AS this
    CROSS JOIN LATERAL (
        SELECT avg(other.value) AS usual, stddev_pop(other.value) AS spread, count(*) AS periods
        FROM measured AS other
        WHERE other.metric = this.metric AND other.period_number <> this.period_number
    ) AS others
    -- Of fewer than two others nobody knows what is usual.
    WHERE others.periods >= 2 AND abs(this.value - others.usual) > deviations::numeric * others.spread
    ORDER BY this.period_number, this.metric
$$;

-- By how much each metric of a period differs from that of the period before: written down, and returned.
CREATE FUNCTION recompute_metrics_delta(of_period bigint)
RETURNS jsonb
LANGUAGE sql VOLATILE AS $$
    UPDATE analysis_periods AS this
    SET metrics_delta = (
        SELECT coalesce(jsonb_object_agg(m.key, m.value::numeric - (before.metrics ->> m.key)::numeric), '{}')
        FROM analysis_periods AS before
        CROSS JOIN LATERAL jsonb_each_text(this.metrics) AS m
        WHERE before.entity_type = this.entity_type AND before.entity_id = this.entity_id
            AND before.period_number = this.period_number - 1
            AND jsonb_typeof(this.metrics -> m.key) = 'number' AND jsonb_typeof(before.metrics -> m.key) = 'number'
    )
    WHERE this.id = of_period
    RETURNING metrics_delta
$$;
