-- How long a tool may stay away depends on what it is for.
CREATE TABLE categories (
    name text PRIMARY KEY,
    loan_days integer NOT NULL CHECK (loan_days > 0)
);

INSERT INTO categories VALUES ('garden', 7), ('kitchen', 3), ('metal', 14), ('wood', 14);

ALTER TABLE tools ADD category text NOT NULL DEFAULT 'wood' CONSTRAINT tools_category REFERENCES categories;
ALTER TABLE tools ALTER category DROP DEFAULT;
