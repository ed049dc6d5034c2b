//! All SQL text about the history and its event log.

use std::time::{Duration, SystemTime};

use tokio_postgres::SimpleQueryRow;

use crate::history::{LAYOUT, Origin, Record, RecordState};
use crate::ident::literal;
use crate::report::Done;
use crate::wire::{flag, text, value};
use crate::{Direction, Error, HistoryTable, MigrationId};

/// The columns of layout 1, in order, as the catalog tells them.
const COLUMNS: &str = "ordinal int8, version int8, name text, state text, checksum text, checksum_raw text, \
                       statements_done int4, statements_digest text, applied_at timestamptz, took_us int8, \
                       applied_by text, application text, run_id text, origin text";

/// The SQL about one history.
#[derive(Clone, Debug)]
pub(crate) struct HistorySql {
    table: HistoryTable,
    history: String,
    events: String,
    head: String,
    /// What every boot asks.
    digest: String,
}

impl HistorySql {
    pub(crate) fn new(table: &HistoryTable) -> Self {
        let (history, head) = (table.to_string(), format!("{}.{}", table.schema(), table.head()));
        let known = literal(&history);
        Self {
            table: table.clone(),
            events: format!("{}.{}", table.schema(), table.events()),
            digest: format!(
                "SELECT digest, version FROM {head} WHERE {known}::pg_catalog.regclass IS NOT NULL"
            ),
            history,
            head,
        }
    }

    /// The digest of all that is applied, in a row for [`digest_of`]. Safe under any `search_path`, and an error where the
    /// history is not there.
    ///
    /// It is a table of one row without an index: the server plans a look at the newest row of the history for longer
    /// than it takes to answer `SELECT 1`.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether there is a digest to be asked for. It is no error where there is not.
    pub(crate) fn has_digest(&self) -> String {
        format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL AS there", literal(&self.head))
    }

    /// All rows, oldest first. Safe under any `search_path`, for the sake of sessions that are not ours.
    pub(crate) fn all(&self) -> String {
        format!(
            "SELECT ordinal, version, name, state, checksum, checksum_raw, statements_done, statements_digest, \
             pg_catalog.int8(pg_catalog.floor(EXTRACT(EPOCH FROM applied_at) OPERATOR(pg_catalog.*) 1000000)) \
             AS applied_us, took_us, applied_by, application, run_id, origin FROM {} ORDER BY ordinal",
            self.history
        )
    }

    /// Reads the rows of [`all`](Self::all).
    pub(crate) fn records(&self, rows: &[SimpleQueryRow]) -> Result<Vec<Record>, Error> {
        rows.iter()
            .filter(|row| row.try_get("ordinal").is_ok())
            .map(|row| {
                record(row).ok_or_else(|| {
                    let ordinal = text(row, "ordinal").unwrap_or("?");
                    let what =
                        format!("has a row that dunlin did not write, of ordinal {ordinal}: restore it");
                    Error::history(&self.table, what)
                })
            })
            .collect()
    }

    /// What the catalog says about the server and the history, as one row for [`Facts::of`]. It runs under the
    /// library's own `search_path`.
    pub(crate) fn facts(&self) -> String {
        let schema = literal(self.table.schema().as_str());
        let table = literal(self.table.table().as_str());
        let events = literal(self.table.events().as_str());
        let head = literal(self.table.head().as_str());
        format!(
            "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only, \
             (SELECT true FROM pg_namespace WHERE nspname = {schema}) AS schema, \
             o.events, o.head, o.sound, \
             c.oid IS NOT NULL AS history, c.relkind = 'r' AND c.relpersistence = 'p' AS plain, \
             pg_has_role(c.relowner, 'MEMBER') AS owned, c.relrowsecurity OR c.relhasrules \
              OR EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS tampered, \
             (SELECT string_agg(a.attname || ' ' || t.typname, ', ' ORDER BY a.attnum) \
              FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid \
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns, \
             obj_description(c.oid, 'pg_class') AS comment, \
             (SELECT string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname) \
              FROM pg_class AS o JOIN pg_namespace AS n ON n.oid = o.relnamespace \
              WHERE o.relname = {table} AND o.relkind = 'r' AND n.nspname <> {schema} \
              AND n.nspname NOT LIKE 'pg\\_temp\\_%' \
              AND obj_description(o.oid, 'pg_class') LIKE 'dunlin history, layout %') AS elsewhere \
             FROM (SELECT bool_or(e.relname = {events}) AS events, bool_or(e.relname = {head}) AS head, \
              bool_and(e.relkind = 'r' AND e.relpersistence = 'p' AND pg_has_role(e.relowner, 'MEMBER') \
               AND NOT e.relrowsecurity AND NOT e.relhasrules \
               AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = e.oid AND NOT t.tgisinternal)) AS sound \
              FROM pg_class AS e JOIN pg_namespace AS n ON n.oid = e.relnamespace \
              WHERE n.nspname = {schema} AND e.relname IN ({events}, {head})) AS o \
             LEFT JOIN (pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = {schema}) \
             ON c.relname = {table}"
        )
    }

    /// The statements that create what is missing.
    pub(crate) fn create(&self, facts: &Facts) -> Vec<String> {
        let Self { table, history, events, head, .. } = self;
        let mut statements = Vec::new();
        if !facts.schema {
            statements.push(format!("CREATE SCHEMA {}", table.schema()));
        }
        if !facts.history {
            statements.push(format!(
                "CREATE TABLE {history} (\
                 ordinal pg_catalog.int8 NOT NULL PRIMARY KEY, \
                 version pg_catalog.int8 NOT NULL UNIQUE, \
                 name pg_catalog.text NOT NULL, \
                 state pg_catalog.text NOT NULL CHECK (state IN ('applied', 'running', 'reverting', 'failed')), \
                 checksum pg_catalog.text NOT NULL, \
                 checksum_raw pg_catalog.text, \
                 statements_done pg_catalog.int4 NOT NULL, \
                 statements_digest pg_catalog.text, \
                 applied_at pg_catalog.timestamptz NOT NULL, \
                 took_us pg_catalog.int8, \
                 applied_by pg_catalog.text NOT NULL, \
                 application pg_catalog.text, \
                 run_id pg_catalog.text NOT NULL, \
                 origin pg_catalog.text NOT NULL CHECK (origin IN ('run', 'stamp', 'adopt')))"
            ));
            statements.push(format!("COMMENT ON TABLE {history} IS 'dunlin history, layout {LAYOUT}: mend it with stamp, not by hand'"));
        }
        if !facts.events {
            statements.push(format!(
                "CREATE TABLE {events} (\
                 id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
                 at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), \
                 event pg_catalog.text NOT NULL, \
                 version pg_catalog.int8 NOT NULL, \
                 name pg_catalog.text NOT NULL, \
                 sqlstate pg_catalog.text, \
                 statement pg_catalog.int4, \
                 detail pg_catalog.jsonb, \
                 run_id pg_catalog.text NOT NULL, \
                 by_role pg_catalog.text NOT NULL DEFAULT SESSION_USER, \
                 application pg_catalog.text)"
            ));
            statements.push(format!("COMMENT ON TABLE {events} IS 'dunlin history events, layout {LAYOUT}'"));
        }
        // Whoever deletes the newest row of the history by hand takes the digest with it, and TRUNCATE is refused.
        let reference = format!("REFERENCES {history} (version) ON DELETE SET NULL");
        if facts.head && !facts.history {
            statements.push(format!("UPDATE {head} SET digest = '', version = NULL"));
            statements.push(format!("ALTER TABLE {head} ADD FOREIGN KEY (version) {reference}"));
        }
        if !facts.head {
            statements.push(format!(
                "CREATE TABLE {head} (digest pg_catalog.text NOT NULL, version pg_catalog.int8 {reference})"
            ));
            statements.push(format!("COMMENT ON TABLE {head} IS 'dunlin history digest, layout {LAYOUT}'"));
            // Publications of all tables want to know which row an update is of.
            statements.push(format!("ALTER TABLE {head} REPLICA IDENTITY FULL"));
            statements.push(format!("INSERT INTO {head} (digest) VALUES ('')"));
        }
        statements
    }

    /// What a run has applied and reverted, in order, in rows for [`done_of`]. Safe under any `search_path`.
    pub(crate) fn done_by(&self, run: &RunName) -> String {
        format!(
            "SELECT e.version, e.name, e.event, h.took_us FROM {events} AS e LEFT JOIN {history} AS h \
             ON h.version OPERATOR(pg_catalog.=) e.version AND h.run_id OPERATOR(pg_catalog.=) e.run_id \
             WHERE e.run_id OPERATOR(pg_catalog.=) '{run}' AND (e.event OPERATOR(pg_catalog.=) 'applied' \
             OR e.event OPERATOR(pg_catalog.=) 'reverted') ORDER BY e.id",
            events = self.events,
            history = self.history,
            run = run.id,
        )
    }

    /// Adds a row. It returns the columns that [`Recorded::of`] reads.
    pub(crate) fn insert(&self, row: &NewRecord<'_>, run: &RunName) -> String {
        format!(
            "INSERT INTO {} (ordinal, version, name, state, checksum, checksum_raw, statements_done, applied_at, \
             took_us, applied_by, application, run_id, origin) VALUES ({}, {}, {}, '{}', '{}', {}, 0, \
             clock_timestamp(), {TOOK}, SESSION_USER, {}, '{}', '{}') RETURNING {}",
            self.history,
            row.ordinal,
            row.id.version(),
            literal(row.id.name()),
            row.state,
            row.checksum,
            optional(row.raw.as_deref()),
            optional(run.application.as_deref()),
            run.id,
            row.origin,
            Recorded::columns(run),
        )
    }

    /// Takes a row away. It returns the columns that [`Recorded::of`] reads.
    pub(crate) fn delete(&self, version: i64, run: &RunName) -> String {
        let columns = Recorded::columns(run).replace("took_us AS", &format!("{TOOK} AS"));
        format!("DELETE FROM {} WHERE version = {version} RETURNING {columns}", self.history)
    }

    /// Makes a row that was not finished an applied one.
    pub(crate) fn finish(&self, row: &NewRecord<'_>, run: &RunName) -> String {
        format!(
            "UPDATE {} SET state = '{}', name = {}, checksum = '{}', checksum_raw = {}, applied_at = clock_timestamp(), \
             took_us = GREATEST(0, floor(extract(epoch FROM clock_timestamp() - applied_at) * 1000000))::int8 \
             WHERE version = {} RETURNING {}",
            self.history,
            row.state,
            literal(row.id.name()),
            row.checksum,
            optional(row.raw.as_deref()),
            row.id.version(),
            Recorded::columns(run),
        )
    }

    /// Says how far a migration outside a transaction has come.
    pub(crate) fn advance(&self, version: i64, state: RecordState, done: usize, digest: &str) -> String {
        format!(
            "UPDATE {} SET state = '{state}', statements_done = {done}, statements_digest = '{digest}' \
             WHERE version = {version}",
            self.history
        )
    }

    /// Says in one digest what the history holds, and which row is its newest.
    pub(crate) fn set_head(&self, digest: &str, newest: Option<i64>) -> String {
        let version = newest.map_or("NULL".to_owned(), |version| version.to_string());
        // The row may have been deleted by hand.
        format!(
            "WITH updated AS (UPDATE {head} SET digest = '{digest}', version = {version} RETURNING 1) \
             INSERT INTO {head} (digest, version) SELECT '{digest}', {version} WHERE NOT EXISTS (SELECT FROM updated)",
            head = self.head
        )
    }

    /// Whether there is an event log: one row, with a flag.
    pub(crate) fn has_events(&self) -> String {
        let name = literal(&self.events.to_string());
        format!("SELECT pg_catalog.to_regclass({name}) IS NOT NULL AS events")
    }

    /// The newest entries of the event log, newest first, in rows for [`LogEntry::of`](crate::LogEntry). Safe under any `search_path`.
    pub(crate) fn newest_events(&self, most: u32) -> String {
        format!(
            "SELECT pg_catalog.int8(pg_catalog.floor(EXTRACT(EPOCH FROM at) OPERATOR(pg_catalog.*) 1000000)) AS at_us, \
             event, version, name, sqlstate, statement, application, run_id FROM {} ORDER BY id DESC LIMIT {most}",
            self.events
        )
    }

    /// Appends to the event log.
    pub(crate) fn event(&self, event: &Event<'_>, run: &RunName) -> String {
        format!(
            "INSERT INTO {} (event, version, name, sqlstate, statement, run_id, application{}) \
             VALUES ('{}', {}, {}, {}, {}, '{}', {}{})",
            self.events,
            event.detail.map_or("", |_| ", detail"),
            event.kind,
            event.id.version(),
            literal(event.id.name()),
            optional(event.code),
            event.statement.map_or("NULL".to_owned(), |statement| statement.to_string()),
            run.id,
            optional(run.application.as_deref()),
            event.detail.map_or(String::new(), |detail| format!(", {}", literal(detail))),
        )
    }
}

/// What a row of [`HistorySql::done_by`] says was done.
pub(crate) fn done_of(row: &SimpleQueryRow) -> Option<Done> {
    let direction = match text(row, "event")? {
        "reverted" => Direction::Down,
        _ => Direction::Up,
    };
    let id = MigrationId::new(value(row, "version")?, text(row, "name")?);
    Some(Done { id, direction, took: microseconds(row, "took_us").unwrap_or_default() })
}

/// Remembers when a migration's transaction began, for [`TOOK`].
pub(crate) const STARTED: &str = "pg_catalog.set_config('dunlin.started', \
                                  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::pg_catalog.text, true)";

/// Microseconds since [`STARTED`]; NULL where a migration has reset it.
const TOOK: &str = "((date_part('epoch', clock_timestamp()) \
                    - nullif(current_setting('dunlin.started', true), '')::float8) * 1000000)::int8";

/// Who runs.
#[derive(Clone, Debug)]
pub(crate) struct RunName {
    pub(crate) id: String,
    pub(crate) application: Option<String>,
}

/// A row to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewRecord<'a> {
    pub(crate) ordinal: i64,
    pub(crate) id: &'a MigrationId,
    pub(crate) state: RecordState,
    pub(crate) checksum: String,
    pub(crate) raw: Option<String>,
    pub(crate) origin: Origin,
}

/// Something for the event log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) kind: &'static str,
    pub(crate) id: &'a MigrationId,
    pub(crate) code: Option<&'a str>,
    /// The statement of a migration outside a transaction, from 1.
    pub(crate) statement: Option<usize>,
    /// More about it, as JSON.
    pub(crate) detail: Option<&'a str>,
}

/// The answer that a history row was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded {
    pub(crate) took: Duration,
}

impl Recorded {
    /// The columns that a history row is told by. Their names are the run's own: nothing that a migration selects is
    /// taken for one.
    fn columns(run: &RunName) -> String {
        format!("version AS dunlin_{}, took_us AS took", run.id)
    }

    /// Nothing when the row is a migration's own.
    pub(crate) fn of(row: &SimpleQueryRow, run_id: &str) -> Option<Self> {
        let _: i64 = value(row, &format!("dunlin_{run_id}"))?;
        Some(Self { took: microseconds(row, "took").unwrap_or_default() })
    }
}

/// The digest in a row of [`HistorySql::digest`]; nothing when it is not known.
pub(crate) fn digest_of(rows: &[SimpleQueryRow]) -> Option<&str> {
    rows.iter().find_map(|row| text(row, "version").and_then(|_| text(row, "digest")))
}

/// What is said of a table that only has the history's name.
pub(crate) const NOT_OURS: &str = "is not laid out as dunlin's: drop or rename what stands in its place";

/// What is said of a table whose rows may not be what was written.
pub(crate) const HIDES: &str =
    "has triggers, rules or row security, which could hide or change rows: remove them";

/// What the catalog says, read under the lock before anything is written.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) history: bool,
    /// Why nothing can be written.
    pub(crate) read_only: Option<&'static str>,
    pub(crate) events: bool,
    schema: bool,
    head: bool,
}

impl Facts {
    /// Reads the row of [`HistorySql::facts`] and refuses what can't be written or trusted.
    pub(crate) fn of(row: &SimpleQueryRow, table: &HistoryTable) -> Result<Self, Error> {
        let facts = Self {
            read_only: match (flag(row, "standby"), flag(row, "read_only")) {
                (true, _) => Some("the server is a standby"),
                (_, true) => Some("the session is read-only (default_transaction_read_only)"),
                _ => None,
            },
            history: flag(row, "history"),
            schema: flag(row, "schema"),
            events: flag(row, "events"),
            head: flag(row, "head"),
        };
        let refuse = |what: &str| Err(Error::history(table, what));
        if (facts.events || facts.head) && !flag(row, "sound") {
            return refuse(
                "has an event log or a digest beside it that is no plain table, belongs to a role that this one is no \
                 member of, or has triggers, rules or row security: look at who made it, and mend or drop it",
            );
        }
        if !facts.history {
            return match text(row, "elsewhere").filter(|_| !table.is_beside_others()) {
                None => Ok(facts),
                Some(schemas) => refuse(&format!(
                    "is missing, but there is one in schema {schemas}: configure that schema, or move the table, \
                     rather than run every migration again"
                )),
            };
        }
        if !flag(row, "plain") {
            return refuse("is not a plain, permanent table: drop or rename what stands in its place");
        }
        if !flag(row, "owned") {
            return refuse(
                "belongs to a role that this one is no member of: look at who made it, and change its owner",
            );
        }
        if flag(row, "tampered") {
            return refuse(HIDES);
        }
        let layout = text(row, "comment").and_then(|comment| comment.strip_prefix("dunlin history, layout "));
        let layout = layout.and_then(|layout| layout.split(':').next());
        match layout.map(str::parse::<u32>) {
            Some(Ok(LAYOUT)) if text(row, "columns") == Some(COLUMNS) => Ok(facts),
            Some(Ok(layout)) if layout > LAYOUT => {
                refuse(&format!("has layout {layout}, this program knows {LAYOUT}: deploy a newer one"))
            }
            _ => refuse(NOT_OURS),
        }
    }
}

fn optional(text: Option<&str>) -> String {
    text.map_or("NULL".to_owned(), literal)
}

fn record(row: &SimpleQueryRow) -> Option<Record> {
    Some(Record {
        ordinal: value(row, "ordinal")?,
        id: MigrationId::new(value(row, "version")?, text(row, "name")?),
        state: value(row, "state")?,
        identity: value(row, "checksum")?,
        raw: value(row, "checksum_raw"),
        statements_done: value(row, "statements_done")?,
        statements_digest: value(row, "statements_digest"),
        applied_at: SystemTime::UNIX_EPOCH.checked_add(microseconds(row, "applied_us")?)?,
        took: microseconds(row, "took_us").unwrap_or_default(),
        applied_by: text(row, "applied_by")?.to_owned(),
        application: text(row, "application").map(str::to_owned),
        run_id: text(row, "run_id")?.to_owned(),
        origin: value(row, "origin")?,
    })
}

fn microseconds(row: &SimpleQueryRow, column: &str) -> Option<Duration> {
    Some(Duration::from_micros(value::<i64>(row, column)?.try_into().unwrap_or(0)))
}
