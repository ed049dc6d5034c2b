ALTER TABLE birds ADD ring bigint UNIQUE;
