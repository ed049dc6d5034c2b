use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::home_sql::{literal, rows};

/// What a template's comment begins with.
const MARK: &str = "dunlin-test template";

/// Rows of templates that may stand in a comment. A template with more is copied, and its copies come back only if nobody
/// has touched those rows.
const MOST_SEEDS: usize = 1 << 20;

/// Between the settings of a database, and between a role and a setting: neither stands in a setting.
const RECORD: char = '\u{1e}';
const UNIT: char = '\u{1f}';

/// What a used copy of a template is compared with, and put back to. It is the template's comment, so every process has it with
/// the look whether there is the template.
///
/// Objects are told by number: a copy has the numbers of its template.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) seeds: Vec<Seed>,
    pub(crate) sequences: Vec<Sequence>,
    pub(crate) settings: DatabaseSettings,
    /// Whether the file system under the template can share the blocks of its files with a copy.
    pub(crate) can_share_blocks: bool,
    /// Whether a copy can be cleaned at all.
    pub(crate) is_cleanable: bool,
}

/// A table that holds rows in the template.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seed {
    pub(crate) table: u32,
    /// As COPY takes them.
    pub(crate) columns: String,
    /// In the text format of COPY; `None` if they were too many.
    pub(crate) rows: Option<String>,
}

/// Where a sequence stands in the template.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sequence {
    pub(crate) sequence: u32,
    pub(crate) last: i64,
    pub(crate) is_called: bool,
}

impl Manifest {
    /// Reads the manifest of the database that the client is in.
    pub(crate) async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp").await?;
        let manifest = Self {
            seeds: seeds(client).await?,
            sequences: sequences(client).await?,
            settings: DatabaseSettings::read(client).await?,
            can_share_blocks: false,
            is_cleanable: is_cleanable(client).await?,
        };
        client.batch_execute("ROLLBACK").await?;
        Ok(manifest)
    }

    pub(crate) fn to_comment(&self) -> String {
        // Texts and numbers always make JSON; without it the template is built again by the next process.
        let manifest = serde_json::to_string(self).unwrap_or_default();
        format!("{MARK}, last used {}: {manifest}", now())
    }

    pub(crate) fn from_comment(comment: &str) -> Option<Self> {
        let (_, manifest) = comment.strip_prefix(MARK)?.split_once(": ")?;
        serde_json::from_str(manifest).ok()
    }

    /// When the template was used last, in seconds since 1970, by the beginning of its comment.
    pub(crate) fn last_used(comment: &str) -> Option<u64> {
        comment.strip_prefix(MARK)?.strip_prefix(", last used ")?.split(':').next()?.parse().ok()
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What ALTER DATABASE and ALTER ROLE IN DATABASE have set. CREATE DATABASE does not copy it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct DatabaseSettings {
    text: String,
}

impl DatabaseSettings {
    /// An expression: whether a database, told by its number, has other settings than these.
    pub(crate) fn differ_sql(&self, database: &str) -> String {
        if self.text.is_empty() {
            format!("EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = {database})")
        } else {
            format!("{} <> {}", Self::sql(database), literal(&self.text))
        }
    }

    /// All settings as one text.
    fn sql(database: &str) -> String {
        format!(
            "(SELECT coalesce(string_agg(concat(r.rolname, '{UNIT}', s.setting), '{RECORD}' ORDER BY r.rolname, s.setting), '') \
             FROM pg_db_role_setting AS d CROSS JOIN LATERAL unnest(d.setconfig) AS s (setting) \
             LEFT JOIN pg_roles AS r ON r.oid = d.setrole WHERE d.setdatabase = {database})"
        )
    }

    async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let settings = Self::sql("pg_database.oid");
        let sql = format!("SELECT {settings} FROM pg_database WHERE datname = current_database()");
        let rows = rows(client, &sql).await?;
        let text = rows.first().and_then(|row| row.get(0)).unwrap_or_default();
        Ok(Self { text: text.to_owned() })
    }

    /// Sets the database's settings. The values go through the session, as lists like that of `search_path` have no
    /// literal.
    pub(crate) async fn apply(&self, client: &Client, database: &str) -> Result<(), tokio_postgres::Error> {
        if self.text.is_empty() {
            return Ok(());
        }
        for setting in self.text.split(RECORD) {
            let Some((role, setting)) = setting.split_once(UNIT) else { continue };
            let Some((name, value)) = setting.split_once('=') else { continue };
            let whose = if role.is_empty() {
                format!("DATABASE \"{database}\"")
            } else {
                format!("ROLE \"{}\" IN DATABASE \"{database}\"", role.replace('"', "\"\""))
            };
            let (set, name) =
                (format!("SELECT set_config({}, {}, false)", literal(name), literal(value)), quoted(name));
            client.batch_execute(&set).await?;
            client.batch_execute(&format!("ALTER {whose} SET {name} FROM CURRENT; RESET {name}")).await?;
        }
        Ok(())
    }
}

/// The name of a setting, each part of which is an identifier.
fn quoted(name: &str) -> String {
    let parts: Vec<String> =
        name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    parts.join(".")
}

/// The tables that hold rows, with the rows.
async fn seeds(client: &Client) -> Result<Vec<Seed>, tokio_postgres::Error> {
    let tables = rows(
        client,
        "SELECT c.oid::text, c.oid::regclass::text, \
           (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute AS a \
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') \
         FROM pg_class AS c WHERE c.relkind = 'r' AND c.oid >= 16384 AND c.relpersistence <> 't' ORDER BY c.oid",
    )
    .await?;
    let mut room = MOST_SEEDS;
    let mut seeds = Vec::new();
    for table in &tables {
        let (oid, name) = (table.get(0).unwrap_or_default(), table.get(1).unwrap_or_default());
        if rows(client, &format!("SELECT FROM ONLY {name} LIMIT 1")).await?.is_empty() {
            continue;
        }
        let columns = table.get(2).unwrap_or_default().to_owned();
        let rows = copy_out(client, name, &columns, room).await?;
        room = room.saturating_sub(rows.as_ref().map_or(0, String::len));
        seeds.push(Seed { table: oid.parse().unwrap_or_default(), columns, rows });
    }
    Ok(seeds)
}

/// The rows of a table, if there is room for them.
async fn copy_out(
    client: &Client,
    table: &str,
    columns: &str,
    room: usize,
) -> Result<Option<String>, tokio_postgres::Error> {
    let copy = format!("COPY (SELECT {columns} FROM ONLY {table}) TO STDOUT (ENCODING 'UTF8')");
    let mut chunks = std::pin::pin!(client.copy_out(&copy).await?);
    let mut bytes = Some(Vec::new());
    while let Some(chunk) = chunks.try_next().await? {
        bytes = bytes.filter(|bytes| bytes.len() + chunk.len() <= room);
        if let Some(bytes) = &mut bytes {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
}

async fn sequences(client: &Client) -> Result<Vec<Sequence>, tokio_postgres::Error> {
    let all = rows(
        client,
        "SELECT c.oid::text, c.oid::regclass::text FROM pg_class AS c \
         WHERE c.relkind = 'S' AND c.oid >= 16384 AND c.relpersistence <> 't' ORDER BY c.oid",
    )
    .await?;
    let select = |row: &tokio_postgres::SimpleQueryRow| {
        let (oid, name) = (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
        format!("SELECT '{oid}', last_value::text, is_called::int::text FROM {name}")
    };
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let sql: Vec<String> = all.iter().map(select).collect();
    let number = |row: &tokio_postgres::SimpleQueryRow, index| {
        row.get(index).and_then(|text| text.parse::<i64>().ok())
    };
    let state = |row: &tokio_postgres::SimpleQueryRow| {
        let sequence = row.get(0)?.parse().ok()?;
        Some(Sequence { sequence, last: number(row, 1)?, is_called: number(row, 2)? == 1 })
    };
    Ok(rows(client, &sql.join("; ")).await?.iter().filter_map(state).collect())
}

/// Triggers and rules that fire even for who restores would do as they like, and what is elsewhere can't be put back.
async fn is_cleanable(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let hindered = rows(
        client,
        "SELECT WHERE EXISTS (SELECT FROM pg_trigger WHERE tgenabled IN ('A', 'R')) \
         OR EXISTS (SELECT FROM pg_rewrite WHERE ev_enabled IN ('A', 'R')) \
         OR EXISTS (SELECT FROM pg_foreign_table)",
    )
    .await?;
    Ok(hindered.is_empty())
}
