CREATE TABLE birds (name text PRIMARY KEY);
