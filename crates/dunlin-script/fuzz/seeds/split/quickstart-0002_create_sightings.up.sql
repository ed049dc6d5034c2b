-- The log book so far: places as people wrote them down.
CREATE TABLE sightings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bird_id bigint NOT NULL REFERENCES birds,
    place text NOT NULL,
    seen_on date NOT NULL
);

INSERT INTO sightings (bird_id, place, seen_on)
SELECT birds.id, places.place, date '2026-01-01' + n
FROM generate_series(0, 364) AS n,
    birds,
    (VALUES ('54°36''N 8°34''E'), ('53°19''N 3°54''W'), ('20°15''S 57°30''E')) AS places (place);
