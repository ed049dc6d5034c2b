-- dunlin: no-transaction
-- dunlin: requires-backfill = count_words_again
-- Each is a moment, but for the second, which reads all rows beside those who write them; the third needs not look again.
ALTER TABLE utterances ADD CONSTRAINT utterances_are_counted CHECK (words IS NOT NULL AND words >= 0) NOT VALID;
ALTER TABLE utterances VALIDATE CONSTRAINT utterances_are_counted;
ALTER TABLE utterances ALTER words SET NOT NULL, DROP CONSTRAINT utterances_words;

-- Release 1 has searched here.
DROP INDEX CONCURRENTLY utterances_search;
ALTER TABLE utterances DROP search;
