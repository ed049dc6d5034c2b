use std::fmt;

/// The longest identifier that PostgreSQL keeps whole, in bytes (`NAMEDATALEN - 1`).
const MAX_BYTES: usize = 63;

/// A PostgreSQL identifier that is safe to put into SQL text.
///
/// It holds 1 to 63 bytes and no NUL, so that the server neither rejects nor silently truncates it, and it is
/// always written quoted: `Display` gives `"my table"` with inner quotes doubled. The name is taken as it is;
/// it is not folded to lower case.
///
/// ```
/// use dunlin_core::Ident;
///
/// let table = Ident::new("dunlin_history")?;
/// assert_eq!(table.to_string(), "\"dunlin_history\"");
/// assert!(Ident::new("").is_err());
/// # Ok::<(), dunlin_core::IdentError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(String);

impl Ident {
    /// Checks `name` and keeps it.
    ///
    /// # Errors
    ///
    /// When `name` is empty, longer than 63 bytes, or holds a NUL character.
    pub fn new(name: impl Into<String>) -> Result<Self, IdentError> {
        let name = name.into();
        match name.len() {
            0 => Err(IdentError::Empty),
            length if length > MAX_BYTES => Err(IdentError::TooLong { name, length }),
            _ if name.contains('\0') => Err(IdentError::Nul),
            _ => Ok(Self(name)),
        }
    }

    /// The name without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For names that are written in this library's own source.
    pub(crate) fn constant(name: &'static str) -> Self {
        debug_assert!(Self::new(name).is_ok());
        Self(name.to_owned())
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// Why a text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentError {
    /// It has no characters.
    #[error("an identifier can't be empty")]
    Empty,
    /// It has more than 63 bytes.
    #[error("identifier `{name}` has {length} bytes, PostgreSQL keeps {MAX_BYTES}: choose a shorter one")]
    #[non_exhaustive]
    TooLong {
        /// The rejected name.
        name: String,
        /// Its length in bytes.
        length: usize,
    },
    /// It contains a NUL character.
    #[error("an identifier can't contain a NUL character")]
    Nul,
}

/// Quotes `value` as a SQL string literal, whatever `standard_conforming_strings` says.
pub(crate) fn literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f65_quotes_are_doubled_and_long_names_refused() {
        assert_eq!(Ident::new("h\"; drop table x").unwrap().to_string(), "\"h\"\"; drop table x\"");
        assert!(Ident::new("a".repeat(63)).is_ok());
        assert_eq!(Ident::new("a\0b"), Err(IdentError::Nul));
        insta::assert_snapshot!(
            Ident::new("a".repeat(64)).unwrap_err(),
            @"identifier `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` has 64 bytes, PostgreSQL keeps 63: choose a shorter one"
        );
    }

    #[test]
    fn literals_survive_quotes_and_backslashes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b"), " E'a\\\\b'");
    }
}
