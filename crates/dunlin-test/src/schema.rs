//! What a database holds, as a value.

mod diff;
mod kind;
mod object;
mod reader;

use std::fmt;

use tokio_postgres::Client;

use crate::error::Error;
pub use crate::schema::{
    diff::{AttributeChange, Difference, SchemaDiff},
    kind::ObjectKind,
    object::{Attribute, Object},
    reader::SchemaReader,
};

/// What a database holds: its catalog as a value, without oids, rows or statistics.
///
/// Two databases that were made in different ways are equal when everybody who uses them sees the same: the same tables with
/// the same columns in the same order, the same types, defaults, constraints, indexes (and whether they are valid), views,
/// functions, triggers, sequences, policies, comments and so on; [`ObjectKind`] has the whole list. What is not there:
/// - what belongs to the system or to an extension; the extension itself is there, with its version;
/// - dunlin's own history, and what [`SchemaReader::without`] leaves out;
/// - owners and privileges, unless [`SchemaReader::privileges`] asks for them: they are those of whoever runs the tests;
/// - roles, tablespaces, settings and subscriptions, which are not of one schema; of operators, operator classes, casts,
///   collations, languages, text search objects, foreign servers and the like it is told only that they are there.
///
/// Definitions are in the server's own words, with the schema in front of every name. The words change a little between major
/// versions of PostgreSQL: compare what was read from servers of one version.
///
/// [`Display`](fmt::Display) writes one canonical text, the same for equal schemas; with the feature `serde` it can be written
/// to a file and read again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use dunlin_test::{Schema, Server};
///
/// let server = Server::start().await?;
/// let database = server.create_database().await?;
/// let client = database.connect().await?;
/// client.batch_execute("CREATE TABLE birds (name text, wings int)").await?;
/// let before = Schema::read(&client).await?;
///
/// client.batch_execute("ALTER TABLE birds ALTER wings SET DEFAULT 2; CREATE INDEX by_name ON birds (name)").await?;
///
/// let after = Schema::read(&client).await?;
/// assert_ne!(before, after);
/// let diff = before.diff(&after);
/// assert_eq!(diff.iter().len(), 2);
/// let expected = [
///     "  table public.birds",
///     "-   column wings: integer",
///     "+   column wings: integer DEFAULT 2",
///     "+ index public.by_name",
///     "+   definition: CREATE INDEX by_name ON public.birds USING btree (name)",
/// ];
/// assert!(diff.to_string().lines().eq(expected), "{diff}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Schema {
    /// Sorted by kind and name, each once.
    #[serde(deserialize_with = "sorted")]
    objects: Vec<Object>,
}

impl Schema {
    /// Reads the database that the client is connected to: one flight, whatever its `search_path` is.
    ///
    /// The history of dunlin in its usual place, `public.dunlin_history`, is left out. Inside a transaction it reads what the
    /// transaction sees.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) if the server does not answer or refuses, as in a transaction that has
    /// failed.
    ///
    /// # Cancel safety
    /// A drop leaves nothing behind. The client answers its next question after this one.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        Self::reader().read(client).await
    }

    /// Returns a reader, to say what to read.
    pub fn reader() -> SchemaReader {
        SchemaReader::default()
    }

    /// Returns how to get from this schema to the other one, as `git diff` does.
    pub fn diff(&self, other: &Self) -> SchemaDiff {
        SchemaDiff::between(self, other)
    }

    /// Returns the objects, in the order of their kinds and names.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Returns the object of this kind and name, which is written as [`Object::name`] says.
    pub fn get(&self, kind: ObjectKind, name: &str) -> Option<&Object> {
        let at = self.objects.binary_search_by(|object| object.key().cmp(&(kind, name))).ok()?;
        self.objects.get(at)
    }

    /// Takes objects in any order; of two with one kind and name the first stays.
    fn new(mut objects: Vec<Object>) -> Self {
        objects.sort_by(|a, b| a.key().cmp(&b.key()));
        objects.dedup_by(|a, b| a.key() == b.key());
        Self { objects }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.iter().try_for_each(|object| object.fmt(f))
    }
}

/// The canonical text, so that a failed `assert_eq!` can be read.
impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whoever has written the file may have another order.
fn sorted<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Object>, D::Error> {
    let objects = serde::Deserialize::deserialize(deserializer)?;
    Ok(Schema::new(objects).objects)
}
