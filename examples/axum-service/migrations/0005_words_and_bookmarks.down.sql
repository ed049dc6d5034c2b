DROP TABLE bookmarks;
DROP TRIGGER forget_words ON utterances;
DROP FUNCTION forget_words();
ALTER TABLE utterances DROP CONSTRAINT utterances_have_a_content, DROP words;
