CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

-- `last_position` numbers the utterances: whoever adds one holds the conversation's row until it is there.
CREATE TABLE conversations (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    title text NOT NULL CONSTRAINT conversations_have_a_title CHECK (title <> ''),
    metadata jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT conversations_metadata CHECK (jsonb_typeof(metadata) = 'object'),
    last_position integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz CONSTRAINT conversations_close_after_they_begin CHECK (closed_at >= created_at)
);

CREATE INDEX conversations_open ON conversations (updated_at DESC) WHERE closed_at IS NULL;
CREATE INDEX conversations_by_title ON conversations (lower(title));

CREATE TABLE utterances (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    conversation_id uuid NOT NULL CONSTRAINT utterances_conversation REFERENCES conversations ON DELETE CASCADE,
    position integer NOT NULL CHECK (position > 0),
    speaker text NOT NULL CONSTRAINT utterances_have_a_speaker CHECK (speaker <> ''),
    content text NOT NULL,
    spoken_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (conversation_id, position)
);
