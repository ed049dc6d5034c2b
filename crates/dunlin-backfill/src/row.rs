use tokio_postgres::types::Type;

/// What a backfill reads of each row of its source: a struct with a field for each column.
///
/// `#[derive(Row)]` implements it. A field reads the column of its name; its type is one that
/// [tokio-postgres reads](tokio_postgres::types::FromSql), `Option` where the column may hold NULL. What can't be read (a NULL in a field
/// that is no `Option`, a number that is none in JSON) is a poison row, and set aside like one that
/// [`convert`](crate::Backfill::convert) refuses.
///
/// | Attribute | The field holds |
/// |---|---|
/// | `#[row(column = "type")]` | a column of another name |
/// | `#[row(sql = "lower(email)")]` | what this expression over the source's columns gives |
/// | `#[row(skip)]` | nothing at first (`Default::default()`): [`enrich`](crate::Backfill::enrich) fills it in |
///
/// ```
/// use dunlin_backfill::Row;
///
/// #[derive(Row)]
/// struct Person {
///     id: i64,
///     first_name: String,
///     last_name: Option<String>,
///     #[row(sql = "(SELECT count(*) FROM orders WHERE orders.person = people.id)")]
///     orders: i64,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no row of a backfill",
    label = "does not implement `Row`",
    note = "write `#[derive(dunlin_backfill::Row)]` above its definition"
)]
pub trait Row: Sized + Send + Sync + 'static {
    /// The columns, in the order in which they are read.
    const COLUMNS: &'static [RowColumn];

    /// Whether the field that reads the column of this index can hold what PostgreSQL calls this type.
    fn accepts(column: usize, ty: &Type) -> bool;

    /// Reads the fields from the columns of `row` that begin at the index `first`.
    ///
    /// # Errors
    ///
    /// When a value does not fit its field.
    fn read(row: &tokio_postgres::Row, first: usize) -> Result<Self, tokio_postgres::Error>;
}

/// A column that a [`Row`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowColumn {
    /// The column, or the field where it is an expression.
    pub name: &'static str,
    /// The expression, where it is not just the column.
    pub sql: Option<&'static str>,
    /// The type of the field, for messages.
    pub rust: &'static str,
}
