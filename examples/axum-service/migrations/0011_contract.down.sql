ALTER TABLE utterances
    ALTER words DROP NOT NULL,
    ADD CONSTRAINT utterances_words CHECK (words >= -1),
    DROP CONSTRAINT utterances_are_counted,
    ADD search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', content)) STORED;
CREATE INDEX utterances_search ON utterances USING gin (search);
