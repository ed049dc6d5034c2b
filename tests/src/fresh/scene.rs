//! The migrations of the tests, and what a database looks like that nobody has used.

use dunlin::{BoxError, MigrationSet};
use tokio_postgres::Client;

/// Seeds, a generated column, a foreign key, a trigger that writes, sequences, a step outside a transaction, and a setting.
pub(crate) fn set() -> MigrationSet {
    let steps = [
        "CREATE TABLE kinds (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, \
           size int GENERATED ALWAYS AS (length(name)) STORED); \
         INSERT INTO kinds (name) VALUES ('wader'), ('gull'), ('owl')",
        "CREATE TABLE log (id bigserial PRIMARY KEY, what text NOT NULL); \
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
           $$ BEGIN INSERT INTO public.log (what) VALUES (tg_op || ' ' || tg_table_name); RETURN NULL; END $$; \
         CREATE TABLE birds (id bigserial PRIMARY KEY, kind int NOT NULL REFERENCES kinds ON DELETE CASCADE, \
           name text NOT NULL); \
         CREATE INDEX ON birds (name); CREATE SEQUENCE rings START 100; \
         CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON birds FOR EACH ROW EXECUTE FUNCTION note(); \
         INSERT INTO birds (kind, name) SELECT id, 'a ' || name FROM kinds ORDER BY id",
        "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY kinds_size ON kinds (size)",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database()); END $$",
        "CREATE TABLE made (digest text NOT NULL); \
         CREATE FUNCTION digest() RETURNS text LANGUAGE sql AS $$ SELECT md5(concat( \
           (SELECT string_agg(concat_ws(' ', oid, relname, relkind, relnatts, relhasindex), ',' ORDER BY oid) \
            FROM pg_catalog.pg_class WHERE relkind <> 't' AND oid >= 16384), \
           (SELECT string_agg(concat_ws(' ', attrelid, attname, atttypid), ',' ORDER BY attrelid, attnum) \
            FROM pg_catalog.pg_attribute WHERE attrelid >= 16384 AND attnum > 0), \
           (SELECT string_agg(concat_ws(' ', oid, proname), ',' ORDER BY oid) FROM pg_catalog.pg_proc WHERE oid >= 16384), \
           (SELECT string_agg(concat_ws(' ', oid, tgname, tgenabled), ',' ORDER BY oid) FROM pg_catalog.pg_trigger) \
         )) $$; \
         INSERT INTO made SELECT digest()",
    ];
    let set = steps
        .iter()
        .zip(1..)
        .fold(MigrationSet::builder(), |set, (text, n)| set.sql(n, format!("step_{n}"), text));
    set.build().expect("the texts are sound")
}

/// Looks whether the database is as the migrations have made it, and nobody else's: as long as the client lives, another look is
/// refused.
pub(crate) async fn look(client: &Client) -> Result<(), BoxError> {
    let row = client.query_one(LOOK, &[]).await?;
    let seen: String = row.get(0);
    if seen != WANTED {
        return Err(format!("the database is not fresh:\n  {seen}\ninstead of\n  {WANTED}").into());
    }
    Ok(())
}

const LOOK: &str = "
    SELECT concat_ws('; ',
      'mine ' || pg_try_advisory_lock(4),
      'others ' || (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND pid <> pg_backend_pid() AND backend_type = 'client backend'),
      'kinds ' || (SELECT string_agg(concat_ws(' ', id, name, size), ', ' ORDER BY id) FROM kinds),
      'birds ' || (SELECT string_agg(concat_ws(' ', id, kind, name), ', ' ORDER BY id) FROM birds),
      'log ' || (SELECT string_agg(concat_ws(' ', id, what), ', ' ORDER BY id) FROM log),
      'sequences ' || (SELECT concat_ws(' ', last_value, is_called) FROM kinds_id_seq)
        || ', ' || (SELECT concat_ws(' ', last_value, is_called) FROM birds_id_seq)
        || ', ' || (SELECT concat_ws(' ', last_value, is_called) FROM log_id_seq)
        || ', ' || (SELECT concat_ws(' ', last_value, is_called) FROM rings),
      'history ' || (SELECT count(*) FROM dunlin_history),
      'work_mem ' || current_setting('work_mem'),
      'schema ' || (SELECT CASE digest WHEN digest() THEN 'as made' ELSE 'another' END FROM made))";

const WANTED: &str = "mine true; others 0; kinds 1 wader 5, 2 gull 4, 3 owl 3; birds 1 1 a wader, 2 2 a gull, 3 3 a owl; \
    log 1 INSERT birds, 2 INSERT birds, 3 INSERT birds; sequences 3 t, 3 t, 3 t, 100 f; history 5; work_mem 5MB; \
    schema as made";
