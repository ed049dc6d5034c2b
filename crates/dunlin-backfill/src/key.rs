use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row as SqlRow};

use crate::raw::Raw;
use crate::statements::Statements;
use crate::trouble::Trouble;

/// The key of a row: a value for each of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) Vec<Raw>);

impl Key {
    /// Reads it from so many columns, from the index `first` on; nothing if they are NULL.
    pub(crate) fn read(row: &SqlRow, first: usize, parts: usize) -> Result<Option<Self>, Trouble> {
        let mut values = Vec::with_capacity(parts);
        for column in first..first.saturating_add(parts) {
            match row.try_get::<_, Option<Raw>>(column)? {
                Some(value) => values.push(value),
                None => return Ok(None),
            }
        }
        Ok(Some(Self(values)))
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = &(dyn ToSql + Sync)> {
        self.0.iter().map(|part| -> &(dyn ToSql + Sync) { part })
    }

    /// For people, as the server writes it.
    pub(crate) async fn text(&self, client: &Client, statements: &Statements) -> Result<String, Trouble> {
        let parameters: Vec<_> = self.parameters().collect();
        let sql = format!("SELECT {}", statements.key.write(1));
        let parts: Vec<String> = client.query_one(&sql, &parameters).await?.try_get(0)?;
        Ok(format!("({})", parts.join(", ")))
    }
}
