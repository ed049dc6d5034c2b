use dunlin_core::{Migrator, Target};
use dunlin_test::checks;

use crate::{checks::set, schemas::database};

/// As `pg_dump -s` of PostgreSQL 18 writes it, with another's role.
const DUMP: &str = r"--
-- PostgreSQL database dump
--

\restrict wd9RrGcLmCnLuYVRzO5rtdSZeOqTjPrOKhWcJD2Gg0xQm

-- Dumped from database version 18.1

SET statement_timeout = 0;
SET transaction_timeout = 0;
SET a_setting_of_tomorrow = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;

CREATE SCHEMA public;
ALTER SCHEMA public OWNER TO pg_database_owner;

CREATE FUNCTION public.f() RETURNS integer
    LANGUAGE sql
    AS $$
\restrict is nothing here;
$$;

ALTER FUNCTION public.f() OWNER TO nobody_has_this_role;

SET default_tablespace = '';
SET default_table_access_method = heap;

CREATE TABLE public.a (
    id bigint NOT NULL,
    t text DEFAULT 'x'::text
);

ALTER TABLE public.a ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.a_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.a
    ADD CONSTRAINT a_pkey PRIMARY KEY (id);

CREATE INDEX i ON public.a USING btree (t);

GRANT SELECT ON TABLE public.a TO nobody_has_this_role;

\unrestrict wd9RrGcLmCnLuYVRzO5rtdSZeOqTjPrOKhWcJD2Gg0xQm
";

const UPS: &str = "SET LOCAL check_function_bodies = off; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS E'\\n\\\\restrict is nothing here;\\n'; \
                   CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text DEFAULT 'x')";

fn dump() -> String {
    // Every dump has this, as a body may be of what is not there yet.
    DUMP.replace("SET row_security", "SET check_function_bodies = false;\nSET row_security")
}

#[tokio::test]
async fn a_dump_of_another_version_and_another_owner_is_matched() {
    let set = set(&[(UPS, ""), ("CREATE INDEX i ON a (t)", "")]);
    insta::assert_snapshot!(checks::matches(&set, &dump()).await.unwrap(), @"2 migrations checked");
}

#[tokio::test]
async fn what_the_dump_has_and_what_the_migrations_make_is_told() {
    let set = set(&[(UPS, ""), ("ALTER TABLE a ALTER t SET NOT NULL; CREATE INDEX j ON a (t)", "")]);
    insta::assert_snapshot!(checks::matches(&set, &dump()).await.unwrap_err(), @"
    matches: the migrations do not make the schema of the text (- is in the text, + is what they make):
        table public.a
      -   column t: text DEFAULT 'x'::text
      +   column t: text DEFAULT 'x'::text NOT NULL
      - index public.i
      -   definition: CREATE INDEX i ON public.a USING btree (t)
      + index public.j
      +   definition: CREATE INDEX j ON public.a USING btree (t)
    ");
}

#[tokio::test]
async fn columns_in_another_order_are_told() {
    let set = set(&[("CREATE TABLE a (n int, m int)", "")]);
    insta::assert_snapshot!(checks::matches(&set, "CREATE TABLE a (m int, n int)").await.unwrap_err(), @"
    matches: the migrations do not make the schema of the text (- is in the text, + is what they make):
        table public.a
      -   order: column m, column n
      +   order: column n, column m
    ");
}

#[tokio::test]
async fn what_can_not_be_loaded_is_told_with_its_place() {
    let set = set(&[("SELECT 1", "")]);
    let told = async |text: &str| checks::matches(&set, text).await.unwrap_err().to_string();
    insta::assert_snapshot!(told("CREATE TABLE a (n int);\n\nCOPY a (n) FROM stdin;\n1\n2\n\\.\n").await, @"matches: the schema's text, 3:1: rows, which are no part of a schema: dump it with `pg_dump --schema-only`");
    insta::assert_snapshot!(told("SELECT 1;\n\\connect other\n").await, @"matches: the schema's text, 2:1: a command of psql, which only psql knows: leave it out");
    insta::assert_snapshot!(told("SELECT 1;\n  CREATE TABLE a (n it);").await, @r#"matches: the schema's text, 2:3: type "it" does not exist (SQLSTATE 42704)"#);
    insta::assert_snapshot!(told("SELECT 'never").await, @"matches: the schema's text, 1:8: the string never ends: add the `'`");
    insta::assert_snapshot!(told("CREATE SCHEMA other; CREATE SCHEMA other").await, @r#"matches: the schema's text, 1:22: schema "other" already exists (SQLSTATE 42P06)"#);
}

#[tokio::test]
async fn a_history_in_the_dump_is_neither_here_nor_there() {
    let set = set(&[("CREATE TABLE a (n int)", "")]);
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    Migrator::new(set.clone()).run(&mut client, Target::Latest).await.unwrap();
    let columns = "SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ') FROM pg_attribute \
                   WHERE attrelid = 'dunlin_history'::regclass AND attnum > 0";
    let columns: String = client.query_one(columns, &[]).await.unwrap().get(0);
    let text = format!("CREATE TABLE a (n int); CREATE TABLE dunlin_history ({columns})");

    checks::matches(&set, &text).await.unwrap();
}
