-- dunlin: no-transaction
-- Release 2 finds `flock` where somebody has said `flocks`, and who has said it. With many rows this is what takes long.
CREATE INDEX CONCURRENTLY utterances_in_english
    ON utterances USING gin (to_tsvector('english', speaker || ': ' || content));
