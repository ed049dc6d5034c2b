//! What the macros expand to is made of.
//!
//! Not part of the public API; it may change in any release.

pub use dunlin_core::{BoxError, Context};
use tokio_postgres::types::FromSql;
pub use tokio_postgres::types::{ToSql, Type};
pub use tokio_postgres::{Error as SqlError, Row as SqlRow};

/// The type of a field that is read.
#[diagnostic::on_unimplemented(
    message = "a row can't hold `{Self}`",
    label = "not read from a column",
    note = "a field is of a type that tokio-postgres reads: `i16`, `i32`, `i64`, `f32`, `f64`, `bool`, `String`, `Vec<u8>`, `Option` and `Vec` of these; with its \
            features, types of `chrono`, `jiff`, `serde_json`, `time`, `uuid` and others",
    note = "implement `tokio_postgres::types::FromSql` for a type of your own, or write `#[row(skip)]` above a field that is not read"
)]
pub trait RowValue: Sized {
    /// Whether it can hold what PostgreSQL calls this type.
    fn accepts(ty: &Type) -> bool;

    /// Reads the column of this index.
    fn read(row: &SqlRow, index: usize) -> Result<Self, SqlError>;
}

#[diagnostic::do_not_recommend]
impl<T: for<'a> FromSql<'a>> RowValue for T {
    fn accepts(ty: &Type) -> bool {
        <T as FromSql<'_>>::accepts(ty)
    }

    fn read(row: &SqlRow, index: usize) -> Result<Self, SqlError> {
        row.try_get(index)
    }
}

/// The type of a field that is written.
#[diagnostic::on_unimplemented(
    message = "a change can't hold `{Self}`",
    label = "not written to a column",
    note = "a field is of a type that tokio-postgres writes, and `Sync`: `i16`, `i32`, `i64`, `f32`, `f64`, `bool`, `String`, `Vec<u8>`, `Option` and `Vec` of these; \
            with its features, types of `chrono`, `jiff`, `serde_json`, `time`, `uuid` and others",
    note = "implement `tokio_postgres::types::ToSql` for a type of your own"
)]
pub trait ChangeValue {
    /// Whether it can be written to what PostgreSQL calls this type.
    fn accepts(ty: &Type) -> bool;

    /// The value as it is written.
    fn value(&self) -> &(dyn ToSql + Sync);
}

#[diagnostic::do_not_recommend]
impl<T: ToSql + Sync> ChangeValue for T {
    fn accepts(ty: &Type) -> bool {
        <T as ToSql>::accepts(ty)
    }

    fn value(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

/// The value for a column that a change doesn't have.
///
/// # Panics
///
/// Always: there is nothing that could be written instead.
#[expect(clippy::panic, reason = "a NULL in its place would be data that is lost")]
#[cold]
pub fn no_column(index: usize) -> ! {
    panic!("bug in dunlin: it asks for the column {index} of a change that has fewer")
}
