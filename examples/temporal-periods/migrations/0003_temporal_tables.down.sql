DROP TABLE crawl_effectiveness, event_contents, temporal_events, period_content_snapshots, analysis_periods;

-- Only what came with the layer, and only if nobody else has begun to need it: else this fails and says who does.
DO $extensions$
DECLARE
    ours text;
BEGIN
    FOR ours IN
        SELECT extname FROM pg_catalog.pg_extension
        WHERE extname IN ('btree_gist', 'pg_trgm')
            AND obj_description(oid, 'pg_extension') = 'came with the temporal layer'
        ORDER BY extname
    LOOP
        EXECUTE format('DROP EXTENSION %I', ours);
    END LOOP;
END
$extensions$;
