SELECT count(*) = 2 AS extensions FROM pg_catalog.pg_extension WHERE extname IN ('btree_gist', 'pg_trgm');

SELECT count(*) = 5 AS tables
FROM unnest(ARRAY[
    'analysis_periods', 'period_content_snapshots', 'temporal_events', 'event_contents', 'crawl_effectiveness'
]) AS name
WHERE to_regclass(name) IS NOT NULL;

-- Words are found by the index, however they are spelled.
SELECT indisvalid AS words_are_found FROM pg_catalog.pg_index WHERE indexrelid = 'temporal_events_by_words'::regclass;
