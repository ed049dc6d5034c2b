-- dunlin: no-transaction
DROP INDEX CONCURRENTLY sightings_by_bird;
