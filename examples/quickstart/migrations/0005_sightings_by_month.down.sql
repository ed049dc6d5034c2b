DROP VIEW sightings_by_month;
