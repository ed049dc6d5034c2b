//! Where backfills keep their place: tables beside the history.

use dunlin_core::{HistoryTable, Ident};
use tokio_postgres::Client;

use crate::error::Fault;
use crate::statements::literal;
use crate::trouble::Trouble;

/// The names of the tables, quoted.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    schema: Ident,
    names: [Ident; 3],
    /// One row for each backfill.
    pub(crate) jobs: String,
    /// One row for each range of a table that a worker is at work on.
    pub(crate) ranges: String,
    /// One row for each row that was set aside.
    pub(crate) quarantine: String,
}

/// What the names of the tables end in, behind the name of the history.
const ENDINGS: [&str; 3] = ["_backfills", "_backfill_ranges", "_backfill_quarantine"];

impl Tables {
    pub(crate) fn beside(history: &HistoryTable) -> Result<Self, dunlin_core::IdentError> {
        let [jobs, ranges, quarantine] =
            ENDINGS.map(|ending| Ident::new(format!("{}{ending}", history.table().as_str())));
        let names = [jobs?, ranges?, quarantine?];
        let [jobs, ranges, quarantine] = names.each_ref().map(|name| format!("{}.{name}", history.schema()));
        Ok(Self { schema: history.schema().clone(), names, jobs, ranges, quarantine })
    }

    /// Whether they are there; refuses those that somebody could have prepared.
    pub(crate) async fn look(&self, client: &Client) -> Result<bool, Trouble> {
        let sql = "SELECT c.relname, c.relkind = 'r' AND c.relpersistence = 'p' AND pg_catalog.pg_has_role(c.relowner, 'MEMBER') \
                   AND NOT c.relrowsecurity AND NOT c.relhasrules AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t \
                    WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid AND NOT t.tgisinternal) \
                   FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
                   WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND c.relname OPERATOR(pg_catalog.=) ANY ($2)";
        let names: Vec<&str> = self.names.iter().map(Ident::as_str).collect();
        let found = client.query(sql, &[&self.schema.as_str(), &names]).await?;
        for row in &found {
            if !row.try_get::<_, bool>(1)? {
                return Err(Fault::Tampered { table: row.try_get(0)? }.into());
            }
        }
        Ok(found.len() == ENDINGS.len())
    }

    /// Whether this backfill has come to its end; nothing if it has never begun.
    pub(crate) async fn is_finished(&self, client: &Client, job: &str) -> Result<Option<bool>, Trouble> {
        let sql = format!(
            "SELECT state OPERATOR(pg_catalog.=) 'finished' FROM {} WHERE name OPERATOR(pg_catalog.=) $1",
            self.jobs
        );
        let found = client.query_opt(&sql, &[&job]).await?;
        Ok(found.map(|row| row.try_get(0)).transpose()?)
    }

    /// Creates what is missing. Several processes may begin at the same moment.
    pub(crate) async fn create(&self, client: &Client) -> Result<(), Trouble> {
        if self.look(client).await? {
            return Ok(());
        }
        let Self { jobs, ranges, quarantine, .. } = self;
        let name = literal(jobs);
        let sql = format!(
            "BEGIN; SET LOCAL search_path = pg_catalog, pg_temp; \
             SELECT pg_advisory_xact_lock(hashtextextended({name}, {SEED})); CREATE TABLE IF NOT EXISTS {jobs} (\
               name pg_catalog.text NOT NULL PRIMARY KEY, \
               revision pg_catalog.int4 NOT NULL, \
               source pg_catalog.text NOT NULL, \
               state pg_catalog.text NOT NULL CHECK (state IN ('running', 'failed', 'finished')), \
               wanted pg_catalog.text NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')), \
               pass pg_catalog.int4 NOT NULL, \
               open_before pg_catalog.text, \
               changed_before pg_catalog.int8 NOT NULL DEFAULT 0, \
               frontier pg_catalog.text[], \
               upper pg_catalog.text[], \
               is_handed_out pg_catalog.bool NOT NULL, \
               ranges pg_catalog.int8 NOT NULL, \
               estimate pg_catalog.int8 NOT NULL, \
               along_places pg_catalog.bool NOT NULL, \
               takes_all pg_catalog.bool NOT NULL, \
               {COUNTERS}, \
               failure pg_catalog.text, \
               waits_for pg_catalog.text, \
               slept_us pg_catalog.jsonb NOT NULL DEFAULT '{{}}', \
               started_at pg_catalog.timestamptz NOT NULL, \
               finished_at pg_catalog.timestamptz); \
             CREATE TABLE IF NOT EXISTS {ranges} (\
               job pg_catalog.text NOT NULL REFERENCES {jobs} ON DELETE CASCADE, \
               number pg_catalog.int8 NOT NULL, \
               cursor pg_catalog.text[], \
               upper pg_catalog.text[], \
               token pg_catalog.int8 NOT NULL, \
               worker pg_catalog.text NOT NULL, \
               pid pg_catalog.int4 NOT NULL, \
               leased_until pg_catalog.timestamptz NOT NULL, \
               {COUNTERS}, \
               PRIMARY KEY (job, number)); \
             CREATE TABLE IF NOT EXISTS {quarantine} (\
               job pg_catalog.text NOT NULL REFERENCES {jobs} ON DELETE CASCADE, \
               key pg_catalog.text[] NOT NULL, \
               kind pg_catalog.text NOT NULL, \
               at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), \
               PRIMARY KEY (job, key)); \
             COMMENT ON TABLE {jobs} IS 'dunlin backfills: how far they are'; \
             COMMENT ON TABLE {ranges} IS 'dunlin backfills: what their workers are at'; \
             COMMENT ON TABLE {quarantine} IS 'dunlin backfills: rows that were set aside'; COMMIT"
        );
        client.batch_execute(&sql).await?;
        Ok(())
    }
}

/// Of the key of the lock under which the tables are created: the library's own.
const SEED: i64 = 0x64_75_6e_6c_69_6e;

/// What is counted for each range, and summed up for the backfill.
const COUNTERS: &str = "processed pg_catalog.int8 NOT NULL DEFAULT 0, changed pg_catalog.int8 NOT NULL DEFAULT 0, \
                        quarantined pg_catalog.int8 NOT NULL DEFAULT 0, retried pg_catalog.int8 NOT NULL DEFAULT 0, \
                        batches pg_catalog.int8 NOT NULL DEFAULT 0";
