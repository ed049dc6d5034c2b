-- One of everything that a schema tells, for PostgreSQL 13 and later without contrib.
CREATE SCHEMA "Other";
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
CREATE DOMAIN positive AS integer DEFAULT 1 NOT NULL CONSTRAINT "is positive" CHECK (VALUE > 0);
CREATE TYPE "Other".pair AS (a integer, b text COLLATE "C");
COMMENT ON TYPE "Other".pair IS 'two';
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION same FROM "C";
CREATE SEQUENCE steps AS smallint INCREMENT -2 MINVALUE -30 MAXVALUE 30 START 6 CACHE 2 CYCLE;
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text COLLATE "C" NOT NULL UNIQUE DEFERRABLE,
    mood mood DEFAULT 'ok',
    age positive CHECK (age < 200) NO INHERIT,
    twice integer GENERATED ALWAYS AS (id * 2) STORED,
    pairs "Other".pair[] DEFAULT '{}',
    number serial,
    seen span,
    EXCLUDE USING gist (seen WITH &&) WHERE (age > 3)
) WITH (fillfactor = 70);
ALTER TABLE users ALTER email SET STATISTICS 300, ALTER email SET STORAGE EXTERNAL, ALTER email SET (n_distinct = 5);
ALTER TABLE users REPLICA IDENTITY FULL, CLUSTER ON users_pkey;
COMMENT ON TABLE users IS 'people; with
lines';
COMMENT ON COLUMN users.email IS 'where''s it';
COMMENT ON CONSTRAINT users_pkey ON users IS 'the key';
CREATE INDEX by_mail ON users (lower(email) text_pattern_ops DESC) INCLUDE (age) WHERE mood = 'ok';
COMMENT ON INDEX by_mail IS 'partial';
CREATE TABLE visits (at date NOT NULL, who bigint REFERENCES users ON DELETE CASCADE, n int) PARTITION BY RANGE (at);
CREATE TABLE visits_2020 PARTITION OF visits (PRIMARY KEY (at)) FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE visits_rest PARTITION OF visits DEFAULT PARTITION BY HASH (n);
CREATE TABLE visits_rest_0 PARTITION OF visits_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE INDEX visits_who ON visits (who);
CREATE TABLE parents (a int CHECK (a > 0), b text NOT NULL);
CREATE TABLE children (c int, a int DEFAULT 3) INHERITS (parents);
CREATE UNLOGGED TABLE "We ird" ("a b" int, "A" int CONSTRAINT "odd one" UNIQUE);
ALTER TABLE "We ird" ADD CONSTRAINT late FOREIGN KEY ("A") REFERENCES "We ird" ("A") DEFERRABLE INITIALLY DEFERRED NOT VALID;
CREATE VIEW ok WITH (security_barrier, check_option = local) AS SELECT id, email FROM users WHERE mood = 'ok';
CREATE VIEW "Other".counted AS SELECT o.email, count(*) AS n FROM ok AS o JOIN visits AS v ON v.who = o.id GROUP BY o.email;
CREATE MATERIALIZED VIEW numbers AS SELECT age, array_agg(id ORDER BY id) AS ids FROM users GROUP BY age WITH NO DATA;
CREATE UNIQUE INDEX numbers_age ON numbers (age);
CREATE FUNCTION area(a integer, VARIADIC b text[] DEFAULT ARRAY['x']) RETURNS TABLE (n integer, t text)
    LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER COST 7 ROWS 3 SET search_path = public, pg_temp
    AS $$ SELECT a, b[1] $$;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- $$;
    RETURN NEW;
END
$body$;
CREATE PROCEDURE tidy(INOUT n integer) LANGUAGE plpgsql AS 'BEGIN n := n + 1; END';
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', PARALLEL = safe, COMBINEFUNC = int4pl);
CREATE TRIGGER touch BEFORE INSERT OR UPDATE OF email ON users FOR EACH ROW WHEN (NEW.age > 3) EXECUTE FUNCTION touched('x');
CREATE TRIGGER never AFTER DELETE ON users FOR EACH STATEMENT EXECUTE FUNCTION touched();
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON parents DEFERRABLE FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TRIGGER cloned BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION touched();
ALTER TABLE users DISABLE TRIGGER never;
ALTER TABLE users ENABLE REPLICA TRIGGER touch;
CREATE RULE nothing AS ON DELETE TO ok DO INSTEAD NOTHING;
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON users AS RESTRICTIVE FOR UPDATE TO CURRENT_USER, pg_monitor USING (age > 1) WITH CHECK (age > 2);
CREATE POLICY everybody ON users USING (true);
CREATE STATISTICS together (dependencies) ON id, age FROM users;
CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq, COMMUTATOR = ===);
CREATE CAST ("Other".pair AS text) WITH INOUT AS ASSIGNMENT;
CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere OPTIONS (host 'x');
CREATE FOREIGN TABLE away (id integer OPTIONS (name 'n') NOT NULL, t text) SERVER far OPTIONS ("table" 't');
CREATE PUBLICATION news FOR TABLE users, parents WITH (publish = 'insert, delete');
CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('DROP INDEX', 'DROP TYPE') EXECUTE FUNCTION seen();
ALTER EVENT TRIGGER watch DISABLE;
COMMENT ON EVENT TRIGGER watch IS 'asleep';
COMMENT ON SCHEMA "Other" IS 'another';
GRANT SELECT ON users TO pg_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor;
