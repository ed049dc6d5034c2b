-- Release 2 counts words and has bookmarks. Release 1 goes on beside it, and knows nothing of this.
--
-- What was there has NULL, what release 1 writes from here on -1: the first becomes less and less, and can be counted to its end while
-- release 1 is at work. A column without a default, a default for later, a constraint that is not validated: each is a moment, however many
-- rows there are.
ALTER TABLE utterances
    ADD words integer CONSTRAINT utterances_words CHECK (words >= -1),
    ADD CONSTRAINT utterances_have_a_content CHECK (content <> '') NOT VALID;

ALTER TABLE utterances ALTER words SET DEFAULT -1;

CREATE FUNCTION forget_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := -1;
    RETURN NEW;
END
$$;

-- Who edits without counting leaves no count behind that is wrong.
CREATE TRIGGER forget_words BEFORE UPDATE OF content ON utterances
    FOR EACH ROW WHEN (NEW.words IS NOT DISTINCT FROM OLD.words AND NEW.content <> OLD.content)
    EXECUTE FUNCTION forget_words();

CREATE TABLE bookmarks (
    utterance_id uuid PRIMARY KEY CONSTRAINT bookmarks_utterance REFERENCES utterances ON DELETE CASCADE,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
