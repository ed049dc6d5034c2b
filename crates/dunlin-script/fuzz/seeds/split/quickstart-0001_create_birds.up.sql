CREATE TABLE birds (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

INSERT INTO birds (name)
VALUES ('dunlin'), ('sanderling'), ('knot'), ('curlew sandpiper');
