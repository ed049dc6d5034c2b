CREATE VIEW sightings_by_month AS
SELECT bird_id, date_trunc('month', seen_on) AS month, count(*) AS sightings
FROM sightings
GROUP BY bird_id, month;
