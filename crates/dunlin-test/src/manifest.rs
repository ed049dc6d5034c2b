use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, error::SqlState};

use crate::home_sql::{literal, rows};

/// What a template's comment begins with.
const MARK: &str = "dunlin-test template";

/// Rows of templates that may stand in a comment. A template with more is copied, and its copies come back only if nobody
/// has touched those rows.
const MOST_SEEDS: usize = 1 << 20;

/// Between the settings of a database, and between a role and a setting: neither stands in a setting.
const RECORD: char = '\u{1e}';
const UNIT: char = '\u{1f}';

/// Has every value written so that it is read back as it was, whatever the server, the role or the database is set to: the same as
/// pg_dump asks for.
pub(crate) const AS_TEXT: &str = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = postgres; \
     SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = hex; SET LOCAL xmloption = content; SET LOCAL lc_monetary = 'C'";

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
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; {AS_TEXT}; SAVEPOINT read"
        );
        client.batch_execute(&begin).await?;
        let held = async { Ok::<_, tokio_postgres::Error>((seeds(client).await?, sequences(client).await?)) };
        let held = match held.await {
            Ok(held) => Some(held),
            // A migration may leave tables to another role. What this one may not read it can't put back either.
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => None,
            Err(error) => return Err(error),
        };
        client.batch_execute("ROLLBACK TO read").await?;
        let is_cleanable = held.is_some() && is_cleanable(client).await?;
        let (seeds, sequences) = held.unwrap_or_default();
        let settings = DatabaseSettings::read(client).await?;
        client.batch_execute("ROLLBACK").await?;
        Ok(Self { seeds, sequences, settings, can_share_blocks: false, is_cleanable })
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

    /// Sets the database's settings. Lists of names have no literal and go through the session. All others do not, as they would
    /// act there: a role, a session that only reads.
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
            let is_list = NAME_LISTS.iter().any(|list| list.eq_ignore_ascii_case(name));
            let (name, value, raw) = (quoted(name), literal(value), literal(name));
            if is_list {
                client.batch_execute(&format!("SELECT set_config({raw}, {value}, false)")).await?;
                client.batch_execute(&format!("ALTER {whose} SET {name} FROM CURRENT; RESET {name}")).await?;
            } else {
                client.batch_execute(&format!("ALTER {whose} SET {name} TO {value}")).await?;
            }
        }
        Ok(())
    }
}

/// The settings whose values are lists of names: GUC_LIST_QUOTE in PostgreSQL's sources, `variable_is_guc_list_quote` in those of
/// pg_dump.
const NAME_LISTS: &[&str] = &[
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

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

/// Triggers and rules that fire even for who restores would do as they like, what is elsewhere can't be put back, and who stores
/// tables in a way of his own need not count.
async fn is_cleanable(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let hindered = rows(
        client,
        "SELECT WHERE EXISTS (SELECT FROM pg_trigger WHERE tgenabled IN ('A', 'R')) \
         OR EXISTS (SELECT FROM pg_rewrite WHERE ev_enabled IN ('A', 'R')) \
         OR EXISTS (SELECT FROM pg_foreign_table) \
         OR EXISTS (SELECT FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam \
           WHERE c.relkind IN ('r', 'm') AND a.amname <> 'heap')",
    )
    .await?;
    Ok(hindered.is_empty())
}

#[cfg(test)]
mod tests {
    use dunlin_core::MigrationSet;

    use crate::{server::Server, session, test_database::TestDatabase};

    async fn server_as(server: &Server, role: &str) -> Server {
        let client = session::connect(&server.config()).await.unwrap();
        let create = format!("CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{role}'");
        client.batch_execute(&create).await.unwrap();
        let port = server.config().get_ports()[0];
        Server::at(format!("postgres://{role}:{role}@127.0.0.1:{port}/postgres")).await.unwrap()
    }

    #[tokio::test]
    async fn a_set_may_leave_tables_that_the_role_may_not_read() {
        let server = Server::builder().setting("cluster_name", "manifest").start().await.unwrap();
        let plain = server_as(&server, "plain").await;
        let secrets = "CREATE TABLE secrets (id int); REVOKE ALL ON secrets FROM CURRENT_USER";
        let set = MigrationSet::builder().sql(1, "secrets", secrets).build().unwrap();

        for _ in 0..2 {
            let database = TestDatabase::builder(&set).server(&plain).create().await.unwrap();
            let client = database.connect().await.unwrap();
            client.batch_execute("GRANT ALL ON secrets TO CURRENT_USER").await.unwrap();
            assert_eq!(client.query("SELECT FROM secrets", &[]).await.unwrap().len(), 0);
            client.batch_execute("INSERT INTO secrets VALUES (1)").await.unwrap();
        }
    }

    #[tokio::test]
    async fn roles_have_templates_of_their_own() {
        let server = Server::builder().setting("cluster_name", "manifest").start().await.unwrap();
        let (one, two) = (server_as(&server, "one").await, server_as(&server, "two").await);
        let set = MigrationSet::builder().sql(1, "birds", "CREATE TABLE birds (id int)").build().unwrap();

        for server in [&one, &two, &server] {
            let database = TestDatabase::builder(&set).server(server).create().await.unwrap();
            let client = database.connect().await.unwrap();
            client.batch_execute("INSERT INTO birds VALUES (1)").await.unwrap();
        }
    }
}
