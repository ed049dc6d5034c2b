SELECT sum(sightings) = (SELECT count(*) FROM sightings) FROM sightings_by_month;
