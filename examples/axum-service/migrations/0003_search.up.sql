ALTER TABLE utterances
    ADD search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', content)) STORED;

CREATE INDEX utterances_search ON utterances USING gin (search);
