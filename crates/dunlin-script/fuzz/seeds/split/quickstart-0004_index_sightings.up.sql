-- dunlin: no-transaction
-- Built while the service goes on writing. If it breaks off, the next boot drops the invalid rest and starts again.
CREATE INDEX CONCURRENTLY sightings_by_bird ON sightings (bird_id, seen_on);
