CREATE TABLE members (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CONSTRAINT members_have_a_name CHECK (name <> ''),
    email text NOT NULL,
    phone text,
    joined_at timestamptz NOT NULL DEFAULT now()
);

-- One address is one member, however it is spelled.
CREATE UNIQUE INDEX members_email ON members (lower(email));

-- The deposit as the old card index had it: '12.50'.
CREATE TABLE tools (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    deposit text NOT NULL
);
