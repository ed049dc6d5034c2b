use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, pin_mut};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::{
    home_sql::EPOCH,
    manifest::{AS_TEXT, Manifest, Seed},
    template::Template,
};

/// For how long the sessions of whoever had the database last may take to end. Those of a test's runtime are on their way.
const PATIENCE: Duration = Duration::from_secs(2);

/// More rows than these take longer to delete than a new copy takes.
const MOST_ROWS: u64 = 20_000;

/// Why a used database is not used again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Dirty {
    #[error("somebody is still in it")]
    Busy,
    #[error("{0}")]
    Differs(&'static str),
    #[error("it could not be cleaned")]
    Failed(#[from] tokio_postgres::Error),
}

/// Makes a used copy of a template equal to it, or says why that can't be done. Nobody else may be in it, and who is left
/// is put out. What is cut half way has changed nothing.
///
/// That the schema is as it was is told by PostgreSQL's own counters: a copy begins with all of them at zero, each change of a
/// catalog counts, even one that was rolled back, and a session hands in its counts before it ends. So a database in which
/// no row of a catalog was inserted, updated or deleted has the schema of its template. The same counters tell the tables that
/// may hold rows from those that nobody has written to, without a look at any of them, and the sequences likewise.
///
/// The counters themselves can be lost: a server that has crashed begins anew with all of them, so it must be the one, at the same
/// `epoch`, that the copy was made on. And what is written about a database into the catalogs that all databases share is counted for
/// none of them: that is looked at.
///
/// Rows are deleted, not truncated: TRUNCATE makes new files and writes to the catalogs. Triggers and foreign keys do not fire
/// meanwhile (`session_replication_role`).
pub(crate) async fn clean(client: &Client, template: &Template, epoch: u32) -> Result<(), Dirty> {
    let began = Instant::now();
    loop {
        let looked = client.simple_query(&look(template)).await?;
        let rows: Vec<&SimpleQueryRow> = looked.iter().filter_map(row).collect();
        let Some((state, written)) = rows.split_first() else { return Err(Dirty::Differs("it has no name")) };
        if state.get(0) != Some("1") {
            client.batch_execute(PUT_OUT).await?;
            if began.elapsed() > PATIENCE {
                return Err(Dirty::Busy);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let differences = [
            (written.iter().any(|written| oid(written) < FIRST_OWN), "its catalogs were written to"),
            (state.get(1) != Some("t"), "its counters were reset, or do not count"),
            (
                state.get(5).and_then(|now| now.parse::<i32>().ok()) != Some(epoch.cast_signed()),
                "its server has crashed",
            ),
            (state.get(2) != Some("0"), "it holds prepared transactions, replication slots or subscriptions"),
            (state.get(3) != Some("t"), "its owner, privileges, limits or comment are others"),
            (state.get(4) != Some("f"), "its settings are others"),
        ];
        if let Some((_, difference)) = differences.iter().find(|(differs, _)| *differs) {
            return Err(Dirty::Differs(difference));
        }
        return restore(client, template.manifest(), written).await;
    }
}

/// Begins a transaction and asks: for who is in the database first, as who has gone has handed in the counts. Then for what
/// was written: rows of tables and catalogs, apart from what ANALYZE writes, and values of sequences. What all databases share
/// is not in the copy.
///
/// A session that is new has to look up whatever a statement names, which takes longer than to run it: hence one look at
/// `pg_class`, functions instead of the views above them, and numbers instead of names.
fn look(template: &Template) -> String {
    format!(
        "BEGIN; \
         SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL session_replication_role = replica; \
         SET LOCAL synchronous_commit = off; SET LOCAL row_security = off; \
         SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'; {AS_TEXT}; \
         WITH alone AS MATERIALIZED (SELECT *, pg_stat_get_db_numbackends(oid) AS sessions \
           FROM pg_database WHERE datname = current_database()) \
         SELECT sessions, \
           pg_stat_get_db_stat_reset_time(oid) IS NULL AND current_setting('track_counts')::bool, \
           (SELECT count(*) FROM pg_prepared_xact() WHERE dbid = alone.oid) \
             + (SELECT count(*) FROM pg_get_replication_slots() WHERE datoid = alone.oid) \
             + (SELECT count(*) FROM pg_subscription WHERE subdbid = alone.oid), \
           datacl IS NULL AND datconnlimit = -1 AND NOT datistemplate \
             AND pg_get_userbyid(datdba) IN (current_user, session_user) \
             AND shobj_description(oid, 'pg_database') IS NULL, \
           {differ}, {EPOCH} FROM alone; \
         SELECT oid, oid::regclass, relkind, pg_stat_get_live_tuples(oid) + pg_stat_get_dead_tuples(oid) FROM pg_class \
         WHERE relkind IN ('r', 'S') AND NOT relisshared AND oid <> {STATISTIC} AND oid <> {STATISTIC_EXT_DATA} \
         AND CASE relkind WHEN 'S' THEN pg_stat_get_blocks_fetched(oid) > 0 \
           ELSE pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid) > 0 END",
        differ = template.settings().differ_sql("alone.oid"),
    )
}

/// Numbers from here on are those of what users have made (`FirstNormalObjectId`). PostgreSQL has no sequences of its own.
const FIRST_OWN: u32 = 16_384;

/// The numbers of the catalogs that ANALYZE writes, the same in all versions.
const STATISTIC: u32 = 2_619;
const STATISTIC_EXT_DATA: u32 = 3_429;

const PUT_OUT: &str = "ROLLBACK; SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
     WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()";

/// The session goes to a test: `lastval` shall know as little as in a new one.
const COMMIT: &str = "COMMIT; DISCARD SEQUENCES";

/// Puts rows and sequences back, and commits.
async fn restore(client: &Client, manifest: &Manifest, written: &[&SimpleQueryRow]) -> Result<(), Dirty> {
    let mut sql = String::new();
    let mut seeds: Vec<(&str, &Seed)> = Vec::new();
    let mut rows = 0;
    for relation in written {
        let (name, kind) = (relation.get(1).unwrap_or_default(), relation.get(2).unwrap_or_default());
        let oid = oid(relation);
        if kind == "S" {
            let state = manifest.sequences.iter().find(|state| state.sequence == oid);
            let state = state.ok_or(Dirty::Differs("it has a sequence that its template has not"))?;
            sql.push_str(&format!("SELECT setval({oid}::regclass, {}, {}); ", state.last, state.is_called));
            continue;
        }
        rows += relation.get(3).and_then(|rows| rows.parse::<u64>().ok()).unwrap_or_default();
        sql.push_str(&format!("DELETE FROM ONLY {name}; "));
        if let Some(seed) = manifest.seeds.iter().find(|seed| seed.table == oid) {
            seeds.push((name, seed));
        }
    }
    if rows > MOST_ROWS {
        return Err(Dirty::Differs("it holds, or has held, too many rows"));
    }
    if seeds.is_empty() {
        sql.push_str(COMMIT);
        return Ok(client.batch_execute(&sql).await?);
    }
    client.batch_execute(&sql).await?;
    for (table, Seed { columns, rows, .. }) in seeds {
        let rows =
            rows.clone().ok_or(Dirty::Differs("more rows of its template were changed than are kept"))?;
        let copy = format!("COPY {table} ({columns}) FROM STDIN (ENCODING 'UTF8')");
        let sink = client.copy_in::<_, Bytes>(&copy).await?;
        pin_mut!(sink);
        sink.send(Bytes::from(rows)).await?;
        sink.finish().await?;
    }
    Ok(client.batch_execute(COMMIT).await?)
}

fn oid(relation: &SimpleQueryRow) -> u32 {
    relation.get(0).and_then(|oid| oid.parse().ok()).unwrap_or_default()
}

fn row(message: &SimpleQueryMessage) -> Option<&SimpleQueryRow> {
    match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    }
}
