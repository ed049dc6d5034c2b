SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = 'sightings_by_bird'::regclass;
