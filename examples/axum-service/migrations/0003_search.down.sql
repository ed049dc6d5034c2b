ALTER TABLE utterances DROP search;
