use std::error::Error;
use std::fmt;

use crate::Position;

/// Something in a script that has to be changed, and where it is.
///
/// The message is a lower-case fragment that says what is wrong and what to do. Offsets are bytes of the
/// [normalised](crate::normalize) text; for a file that isn't UTF-8 they are bytes of the file.
///
/// # Example
///
/// ```
/// use dunlin_script::{Role, Script};
///
/// let problems = Script::parse(b"SELECT 1;\n\\i other.sql\n", Role::Up).unwrap_err();
/// assert_eq!(problems[0].position().to_string(), "2:1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    offset: usize,
    position: Position,
    message: String,
}

impl Problem {
    /// Describes what is wrong at a byte of `text`.
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        Self { offset, position: Position::of_byte(text, offset), message: message.into() }
    }

    /// The offset in bytes, from 0.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The line and the column.
    pub fn position(&self) -> Position {
        self.position
    }

    /// What is wrong and what to do, without the position.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl Error for Problem {}
