-- A constraint that is valid can't become what it was, but by being made anew.
ALTER TABLE utterances DROP CONSTRAINT utterances_have_a_content;
ALTER TABLE utterances ADD CONSTRAINT utterances_have_a_content CHECK (content <> '') NOT VALID;
