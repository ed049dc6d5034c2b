use std::any;
use std::fmt;

/// Why [`convert`](crate::Backfill::convert) can't say what becomes of a row: the row is poison, and is set aside.
///
/// It holds a word for the kind of mistake and nothing of the row: it is written to the quarantine table, where whoever looks may see
/// the key, but no values. `?` makes one of any error; its kind is the name of the error's type.
///
/// ```
/// use dunlin_backfill::RowError;
///
/// fn year(text: &str) -> Result<i32, RowError> {
///     let (year, _) = text.split_once('-').ok_or(RowError::new("date without a month"))?;
///     Ok(year.parse()?)
/// }
/// assert_eq!(year("1815").unwrap_err().kind(), "date without a month");
/// assert_eq!(year("MDCCC-12").unwrap_err().kind(), "ParseIntError");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    kind: &'static str,
}

impl RowError {
    /// An error of this kind: a few words that say what is wrong, the same for all rows that are wrong in the same way.
    #[must_use]
    pub const fn new(kind: &'static str) -> Self {
        Self { kind }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

/// Without the text, which may hold values.
impl<E: std::error::Error> From<E> for RowError {
    fn from(_: E) -> Self {
        let name = any::type_name::<E>();
        let path = name.split('<').next().unwrap_or(name);
        Self { kind: path.rsplit("::").next().unwrap_or(path) }
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)
    }
}
