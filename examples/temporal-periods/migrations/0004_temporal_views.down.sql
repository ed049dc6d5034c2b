-- dunlin: lock-timeout = 500ms
-- Period 0 can be made again. What was analyzed since can't: rather than lose that without a word, this stops.
DO $$
DECLARE
    periods bigint := (SELECT count(*) FROM analysis_periods WHERE period_number > 0);
    others bigint := (SELECT count(*) FROM temporal_events) + (SELECT count(*) FROM period_content_snapshots)
        + (SELECT count(*) FROM crawl_effectiveness);
BEGIN
    IF periods + others > 0 THEN
        RAISE EXCEPTION '% later periods would be lost, and % events, snapshots and crawls: export or delete them first',
            periods, others;
    END IF;
END
$$;

DROP FUNCTION recompute_metrics_delta(bigint);
DROP FUNCTION detect_metric_anomalies(text, bigint, double precision);
DROP FUNCTION get_content_timeline(text, bigint, timestamptz, timestamptz);
DROP FUNCTION get_period_by_number(text, bigint, integer);
DROP MATERIALIZED VIEW mv_period_metrics_trend;
DROP VIEW v_crawl_effectiveness_ranking;
DROP VIEW v_entity_timeline_summary;
DROP VIEW v_period_timeline;

ALTER TABLE analysis_periods DROP CONSTRAINT analysis_periods_never_overlap;
ALTER TABLE contents DROP COLUMN analysis_period_id;

ALTER TABLE users
    DROP COLUMN avg_period_duration_hours,
    DROP COLUMN first_analysis_at,
    DROP COLUMN total_periods,
    DROP COLUMN last_period_id,
    DROP COLUMN current_period_number;

ALTER TABLE topics
    DROP COLUMN avg_period_duration_hours,
    DROP COLUMN first_analysis_at,
    DROP COLUMN total_periods,
    DROP COLUMN last_period_id,
    DROP COLUMN current_period_number;
