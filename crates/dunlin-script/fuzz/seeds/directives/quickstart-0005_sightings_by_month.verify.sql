0005_sightings_by_month.verify.sql
SELECT sum(sightings) = (SELECT count(*) FROM sightings) FROM sightings_by_month;
