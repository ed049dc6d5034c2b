/// What is done with the changes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Write(pub(crate) WriteKind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteKind {
    Update,
    Insert { table: String },
    Copy { table: String },
    Delete,
    Sql(String),
}

impl Write {
    /// Sets the columns of the change in the row that was read.
    ///
    /// A row that somebody else has written meanwhile is not overwritten: it is read and converted again. The rows are not locked
    /// while they are converted.
    pub const fn update() -> Self {
        Self(WriteKind::Update)
    }

    /// Inserts each change as a row into this table, while the row that was read is locked. A row that meets one with the same unique key there is
    /// not inserted.
    pub fn insert_into(table: impl Into<String>) -> Self {
        Self(WriteKind::Insert { table: table.into() })
    }

    /// Fills a table with the changes, a row each, by binary COPY, several times as fast as [`insert_into`](Self::insert_into): the rows that were
    /// read are not locked, and the next ones are read meanwhile.
    ///
    /// So what somebody changes in a row between its being read and its copy being committed is not in the copy. It is right for rows
    /// that nobody changes any more (events, readings, closed orders), and where whoever changes a row writes the whole copy, too
    /// (`INSERT ... ON CONFLICT ... DO UPDATE`): the backfill never overwrites one. Otherwise use `insert_into`.
    ///
    /// A row that meets one with the same unique key there is not copied: its batch is inserted instead.
    ///
    /// With [`SourceTable::missing_in`](crate::SourceTable::missing_in), a unique index on those columns, and no row there when the
    /// backfill began, rows are read without a look at what is there: what this backfill has copied is behind its cursor,
    /// which is written in the same transaction. Where a batch meets rows of somebody else the rest of its range is looked up again.
    pub fn copy_into(table: impl Into<String>) -> Self {
        Self(WriteKind::Copy { table: table.into() })
    }

    /// Deletes the row that was read. The change is `()`.
    pub const fn delete() -> Self {
        Self(WriteKind::Delete)
    }

    /// Runs this statement for the changes of a batch, while the rows that were read are locked: to write to several tables,
    /// or to rows beside the one that was read. The rows are locked by a statement before it, so that it sees whatever others have
    /// committed before they let go of them: numbers can be given to the children of a locked parent.
    ///
    /// It reads `changes`: a relation with the columns of the source's key and those of the change. It may begin with `WITH`, and may
    /// not be more than one statement.
    ///
    /// ```
    /// use dunlin_backfill::Write;
    ///
    /// Write::sql(
    ///     "WITH periods AS (INSERT INTO periods (topic_id, first_at) SELECT id, first_at FROM changes RETURNING id, topic_id)
    ///      UPDATE contents SET period_id = periods.id FROM periods WHERE contents.topic_id = periods.topic_id",
    /// );
    /// ```
    pub fn sql(statement: impl Into<String>) -> Self {
        Self(WriteKind::Sql(statement.into()))
    }
}
