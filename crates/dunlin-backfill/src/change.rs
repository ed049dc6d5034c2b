use tokio_postgres::types::{ToSql, Type};

/// What a backfill writes for a row: a struct with a field for each column.
///
/// `#[derive(Change)]` implements it. A field is written to the column of its name; its type is one that
/// [tokio-postgres writes](tokio_postgres::types::ToSql). `()` is the change of a backfill that deletes.
///
/// | Attribute | |
/// |---|---|
/// | `#[change(column = "type")]` | the field is written to a column of another name |
/// | `#[change(cast = "timestamptz")]` | for [`Write::sql`](crate::Write::sql): what the column of `changes` is, where the source has none of this name |
///
/// ```
/// use dunlin_backfill::Change;
///
/// #[derive(Change)]
/// struct FullName {
///     full_name: String,
///     initials: Option<String>,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no change of a backfill",
    label = "does not implement `Change`",
    note = "write `#[derive(dunlin_backfill::Change)]` above its definition; a backfill that deletes has `type Change = ();`"
)]
pub trait Change: Send + Sync + 'static {
    /// The columns, in the order of the fields.
    const COLUMNS: &'static [ChangeColumn];

    /// Whether the field of the column of this index can be written to what PostgreSQL calls this type.
    fn accepts(column: usize, ty: &Type) -> bool;

    /// The value for the column of this index, which is less than the number of columns.
    fn value(&self, column: usize) -> &(dyn ToSql + Sync);
}

/// A column that a [`Change`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeColumn {
    /// The column.
    pub name: &'static str,
    /// The SQL type, where it was given.
    pub cast: Option<&'static str>,
    /// The type of the field, for messages.
    pub rust: &'static str,
}

impl Change for () {
    const COLUMNS: &'static [ChangeColumn] = &[];

    fn accepts(_: usize, _: &Type) -> bool {
        false
    }

    fn value(&self, _: usize) -> &(dyn ToSql + Sync) {
        &None::<bool>
    }
}
