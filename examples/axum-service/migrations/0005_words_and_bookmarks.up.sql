-- Release 2 counts words and has bookmarks. Release 1 goes on beside it, and knows nothing of this.
--
-- A column without a default, and a constraint that is not validated: each is a moment, however many rows there are.
ALTER TABLE utterances
    ADD words integer CONSTRAINT utterances_words CHECK (words >= 0),
    ADD CONSTRAINT utterances_have_a_content CHECK (content <> '') NOT VALID;

-- Where release 1 edits an utterance the words are no longer known.
CREATE FUNCTION forget_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := NULL;
    RETURN NEW;
END
$$;

CREATE TRIGGER forget_words BEFORE UPDATE OF content ON utterances
    FOR EACH ROW WHEN (NEW.words IS NOT DISTINCT FROM OLD.words AND NEW.content <> OLD.content)
    EXECUTE FUNCTION forget_words();

CREATE TABLE bookmarks (
    utterance_id uuid PRIMARY KEY CONSTRAINT bookmarks_utterance REFERENCES utterances ON DELETE CASCADE,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
