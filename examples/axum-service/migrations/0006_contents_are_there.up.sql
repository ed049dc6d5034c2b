-- Reads all rows beside those who write them. It fails if release 1 has stored an utterance without a content.
ALTER TABLE utterances VALIDATE CONSTRAINT utterances_have_a_content;
