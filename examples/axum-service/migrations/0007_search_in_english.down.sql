-- dunlin: no-transaction
DROP INDEX CONCURRENTLY utterances_in_english;
