use std::fmt;

use crate::lexer::{Token, TokenKind};

/// PostgreSQL cuts names to `NAMEDATALEN - 1` bytes
/// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>).
const LONGEST: usize = 63;

/// The name of a table or an index, as the catalogue has it.
///
/// `Display` writes it quoted, to be used in SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QualifiedName {
    schema: Option<String>,
    name: String,
}

impl QualifiedName {
    pub(crate) fn new(schema: Option<String>, name: String) -> Self {
        Self { schema, name }
    }

    /// The schema, if the statement names it.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name inside the schema.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "\"{}\".", schema.replace('"', "\"\""))?;
        }
        write!(f, "\"{}\"", self.name.replace('"', "\"\""))
    }
}

/// The name that a token is, as the server stores it. `None` for other tokens and for `U&"..."`.
pub(crate) fn identifier(token: &Token<'_>) -> Option<String> {
    let name = match token.kind {
        // Only ASCII letters are folded in databases with a multi-byte encoding.
        TokenKind::Word => token.text.to_ascii_lowercase(),
        TokenKind::QuotedName => token.text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""),
        _ => return None,
    };
    let end = name.floor_char_boundary(LONGEST);
    Some(name.get(..end).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::Lexer;

    fn stored(text: &str) -> Option<String> {
        identifier(&Lexer::new(text).next().unwrap())
    }

    #[test]
    fn names_are_as_the_server_stores_them() {
        assert_eq!(stored("Users").as_deref(), Some("users"));
        assert_eq!(stored("GRÖSSE").as_deref(), Some("grÖsse"));
        assert_eq!(stored("\"We\"\"ird\"").as_deref(), Some("We\"ird"));
        assert_eq!(stored(&"é".repeat(40)).unwrap().len(), 62);
        assert_eq!(stored("U&\"\\0061\""), None);
        assert_eq!(stored("'users'"), None);
    }

    #[test]
    fn names_are_quoted_when_shown() {
        let name = QualifiedName::new(Some("a".into()), "We\"ird".into());
        assert_eq!(name.to_string(), "\"a\".\"We\"\"ird\"");
    }
}
