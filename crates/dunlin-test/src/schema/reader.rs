use dunlin_core::HistoryTable;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::{
    error::{Error, Fault},
    schema::{Object, Schema},
};

/// What is asked; two blanks are filled in by [`SchemaReader::sql`].
const CATALOG: &str = include_str!("catalog.sql");

/// What the caller has set is remembered. Planned without knowing the tables, the query would look worth compiling.
const BEFORE: &str = "SELECT \
    pg_catalog.set_config('dunlin.search_path', pg_catalog.current_setting('search_path'), true), \
    pg_catalog.set_config('dunlin.jit', pg_catalog.current_setting('jit'), true), \
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('jit', 'off', true)";

/// For a caller with a transaction of its own.
const AFTER: &str = "SELECT \
    pg_catalog.set_config('search_path', pg_catalog.current_setting('dunlin.search_path'), true), \
    pg_catalog.set_config('jit', pg_catalog.current_setting('dunlin.jit'), true)";

/// What the tables of dunlin-backfill are called, behind the name of the history. The first backfill makes them, whichever it is, and
/// they stay when it is undone, as the history does.
const BACKFILLS: [&str; 3] = ["_backfills", "_backfill_ranges", "_backfill_quarantine"];

/// Reads a [`Schema`] with more or less in it than [`Schema::read`] does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use dunlin_test::{ObjectKind, Schema, Server};
///
/// let server = Server::start().await?;
/// let database = server.create_database().await?;
/// let client = database.connect().await?;
/// client.batch_execute("CREATE TABLE birds (); CREATE TABLE scratch (); GRANT SELECT ON birds TO PUBLIC").await?;
///
/// let schema = Schema::reader().without("public", "scratch").privileges().read(&client).await?;
///
/// assert!(schema.get(ObjectKind::Table, "public.scratch").is_none());
/// let birds = schema.get(ObjectKind::Table, "public.birds").unwrap();
/// assert!(birds.get("privileges").unwrap().contains("=r/"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a reader does nothing until `read`"]
pub struct SchemaReader {
    history: HistoryTable,
    left_out: Vec<(String, String)>,
    privileges: Privileges,
}

/// Whether owners and privileges are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Privileges {
    #[default]
    LeftOut,
    Read,
}

impl SchemaReader {
    /// Says where the history is that is left out, with its event log, its digest and what backfills write down beside it;
    /// `public.dunlin_history` by default.
    pub fn history(self, history: &HistoryTable) -> Self {
        Self { history: history.clone(), ..self }
    }

    /// Leaves out a table, a view or a sequence, with everything that belongs to it: indexes, constraints, triggers, sequences
    /// of its columns. The names are taken as they are, without folding to lower case.
    pub fn without(mut self, schema: impl Into<String>, relation: impl Into<String>) -> Self {
        self.left_out.push((schema.into(), relation.into()));
        self
    }

    /// Reads owners and privileges, too: attributes `owner` and `privileges`, and the privileges of what is yet to come. A
    /// privilege is written as in the server's catalog: `reader=r/owner`, with nothing before `=` for `PUBLIC`.
    pub fn privileges(self) -> Self {
        Self { privileges: Privileges::Read, ..self }
    }

    /// Reads the database that the client is connected to.
    ///
    /// # Errors
    /// As [`Schema::read`].
    ///
    /// # Cancel safety
    /// As [`Schema::read`].
    pub async fn read(&self, client: &Client) -> Result<Schema, Error> {
        let messages =
            client.simple_query(&self.sql()).await.map_err(|source| Error::from(Fault::Schema { source }))?;
        let mut objects: Vec<Object> = Vec::new();
        for message in &messages {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let (Ok(Some(kind)), Ok(Some(name))) = (column(row, "kind"), column(row, "name")) else {
                continue;
            };
            // Another version of this crate may know more kinds; this one's SQL has none that it does not.
            let Ok(kind) = kind.parse() else { continue };
            if objects.last().is_none_or(|last| last.key() != (kind, name)) {
                objects.push(Object::new(kind, name));
            }
            if let (Some(object), Ok(Some(attribute)), Ok(Some(value))) =
                (objects.last_mut(), column(row, "attribute"), column(row, "value"))
            {
                object.push(attribute, value);
            }
        }
        Ok(Schema::new(objects))
    }

    /// One message, which is one transaction unless the caller has one open. Then what it sets is set back.
    fn sql(&self) -> String {
        let (schema, table) = (self.history.schema().as_str(), self.history.table().as_str());
        let backfills = BACKFILLS.map(|ending| format!("{table}{ending}"));
        let own = [table, self.history.head().as_str(), self.history.events().as_str()];
        let own = own.into_iter().chain(backfills.iter().map(String::as_str)).map(|table| (schema, table));
        let asked = self.left_out.iter().map(|(schema, relation)| (schema.as_str(), relation.as_str()));
        let left_out: Vec<_> = own
            .chain(asked)
            .map(|(schema, relation)| format!("({}, {})", literal(schema), literal(relation)))
            .collect();
        let privileges = match self.privileges {
            Privileges::LeftOut => "false",
            Privileges::Read => "true",
        };
        let query = CATALOG.replace("{left_out}", &left_out.join(", ")).replace("{privileges}", privileges);
        // Planned for tables without statistics, it would look worth compiling.
        format!("{BEFORE};\n{query};\n{AFTER}")
    }
}

fn column<'a>(row: &'a SimpleQueryRow, name: &str) -> Result<Option<&'a str>, tokio_postgres::Error> {
    row.try_get(name)
}

/// A literal that means the same with any setting. No name holds NUL.
fn literal(text: &str) -> String {
    format!(" E'{}'", text.replace('\0', "").replace('\\', "\\\\").replace('\'', "\\'"))
}
