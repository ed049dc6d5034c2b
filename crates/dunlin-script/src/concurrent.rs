use std::ops::Range;

use crate::QualifiedName;

/// A statement that works in several transactions of its own while others read and write, and leaves something half done
/// when it is interrupted; with the names under which the catalogue has that.
///
/// Names are as PostgreSQL stores them: without quotes, folded, cut to 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Concurrent {
    /// `CREATE INDEX CONCURRENTLY`.
    CreateIndex(CreateIndex),
    /// `DROP INDEX CONCURRENTLY`, and the index.
    DropIndex(QualifiedName),
    /// `REINDEX ... CONCURRENTLY`, and what of.
    Reindex(ReindexTarget),
    /// `ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY`.
    #[non_exhaustive]
    DetachPartition {
        /// The partitioned table.
        parent: QualifiedName,
        /// The partition.
        partition: QualifiedName,
    },
    /// One of these, this command, with a name that can't be read: `U&"..."`.
    Unreadable(&'static str),
}

impl Concurrent {
    /// The words of the command.
    pub fn command(&self) -> &'static str {
        match self {
            Self::CreateIndex(_) => "CREATE INDEX CONCURRENTLY",
            Self::DropIndex(_) => "DROP INDEX CONCURRENTLY",
            Self::Reindex(_) => "REINDEX CONCURRENTLY",
            Self::DetachPartition { .. } => "DETACH PARTITION CONCURRENTLY",
            Self::Unreadable(command) => command,
        }
    }
}

/// What a `REINDEX ... CONCURRENTLY` rebuilds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReindexTarget {
    /// One index; with its partitions, if it has any.
    Index(QualifiedName),
    /// The indexes of a table, of its partitions and of their TOAST tables.
    Table(QualifiedName),
    /// The indexes of all tables of a schema.
    Schema(String),
    /// The indexes of all tables of the database.
    Database,
}

/// A `CREATE INDEX CONCURRENTLY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateIndex {
    pub(crate) unique: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) index: Option<QualifiedName>,
    pub(crate) table: QualifiedName,
    /// Where `CONCURRENTLY` and the table's name stand in the text that was split.
    pub(crate) places: [Range<usize>; 2],
}

impl CreateIndex {
    /// The index. It has no schema of its own, it is in its table's. `None` when the server is to choose a name.
    pub fn index(&self) -> Option<&QualifiedName> {
        self.index.as_ref()
    }

    /// The table.
    pub fn table(&self) -> &QualifiedName {
        &self.table
    }

    /// Whether it is `CREATE UNIQUE INDEX`.
    pub fn is_unique(&self) -> bool {
        self.unique
    }

    /// Whether it says `IF NOT EXISTS`.
    pub fn if_not_exists(&self) -> bool {
        self.if_not_exists
    }

    /// Writes the same statement, given its range in the text that was split, without `CONCURRENTLY` and for another table.
    ///
    /// # Example
    ///
    /// ```
    /// use dunlin_script::{Concurrent, StatementKind, split};
    ///
    /// let text = "CREATE INDEX CONCURRENTLY i ON a.t (lower(name)) WHERE id > 0";
    /// let statements = split(text)?;
    /// let StatementKind::Concurrent(Concurrent::CreateIndex(create)) = statements[0].kind() else { panic!() };
    /// assert_eq!(
    ///     create.on_table("pg_temp.t", text, statements[0].range()),
    ///     "CREATE INDEX  i ON pg_temp.t (lower(name)) WHERE id > 0"
    /// );
    /// # Ok::<(), dunlin_script::Problem>(())
    /// ```
    pub fn on_table(&self, table: &str, script: &str, statement: Range<usize>) -> String {
        let [concurrently, name] = &self.places;
        let part = |from, to| script.get(from..to).unwrap_or_default();
        [
            part(statement.start, concurrently.start),
            part(concurrently.end, name.start),
            table,
            part(name.end, statement.end),
        ]
        .concat()
    }
}
