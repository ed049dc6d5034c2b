use std::fmt;

/// A place in a text, as editors and compilers name it.
///
/// Lines and columns are counted from 1. A column is a number of characters (Unicode scalar values), not of bytes.
///
/// # Example
///
/// ```
/// use dunlin_script::Position;
///
/// let text = "SELECT 'ä';\nSELEC 2;";
/// assert_eq!(Position::of_byte(text, 13).to_string(), "2:1");
/// // PostgreSQL counts characters, from 1.
/// assert_eq!(Position::of_char(text, 13).to_string(), "2:1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    line: u32,
    column: u32,
}

impl Position {
    /// Finds the position of the character that begins at, or contains, the byte at `offset` (from 0). An offset past
    /// the end gives the position after the last character.
    pub fn of_byte(text: &str, offset: usize) -> Self {
        Self::after(text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= offset).map(|(_, c)| c))
    }

    /// Finds the position of the `number`th character, counted from 1 as in the position field of PostgreSQL's errors.
    pub fn of_char(text: &str, number: u32) -> Self {
        let before = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        Self::after(text.chars().take(before))
    }

    /// The line, from 1.
    pub fn line(self) -> u32 {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(self) -> u32 {
        self.column
    }

    fn after(before: impl Iterator<Item = char>) -> Self {
        before.fold(Self { line: 1, column: 1 }, |position, c| match c {
            '\n' => Self { line: position.line.saturating_add(1), column: 1 },
            _ => Self { column: position.column.saturating_add(1), ..position },
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_and_not_bytes() {
        let text = "a\nöä€x\n";
        assert_eq!(Position::of_byte(text, 0).to_string(), "1:1");
        assert_eq!(Position::of_byte(text, text.find('x').unwrap()).to_string(), "2:4");
        assert_eq!(Position::of_char(text, 6).to_string(), "2:4");
        assert_eq!(Position::of_byte(text, text.len()).to_string(), "3:1");
        assert_eq!(Position::of_byte(text, 1_000).to_string(), "3:1");
    }

    #[test]
    fn an_offset_inside_a_character_is_that_character() {
        assert_eq!(Position::of_byte("€€", 4).to_string(), "1:2");
    }
}
