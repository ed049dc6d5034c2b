CREATE TABLE edits_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    utterance_id uuid NOT NULL CONSTRAINT edits_log_utterance REFERENCES utterances ON DELETE CASCADE,
    before text NOT NULL,
    after text NOT NULL,
    reason text,
    edited_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT edits_log_changes CHECK (before <> after)
);

CREATE INDEX edits_log_of_an_utterance ON edits_log (utterance_id, edited_at DESC);

-- `route` is the pattern of a path, never a path: what people have asked for does not belong into a log.
CREATE TABLE api_calls_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    method text NOT NULL,
    route text NOT NULL,
    status smallint NOT NULL CONSTRAINT api_calls_log_status CHECK (status BETWEEN 100 AND 599),
    took_us bigint NOT NULL CONSTRAINT api_calls_log_took CHECK (took_us >= 0),
    release text NOT NULL,
    at timestamptz NOT NULL
);

CREATE INDEX api_calls_log_at ON api_calls_log USING brin (at);
CREATE INDEX api_calls_log_failed ON api_calls_log (at) WHERE status >= 500;
