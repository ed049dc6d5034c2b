use std::fmt;

use crate::{Position, Problem};

/// A problem and the file that it is in. `Display` writes `migrations/0007_x.up.sql:3:14: message`, as compilers do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    file: String,
    position: Option<Position>,
    message: String,
}

impl Diagnostic {
    /// Describes what is wrong with a file as a whole.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), position: None, message: message.into() }
    }

    /// Describes what is wrong at a place in a file.
    pub fn of_problem(file: impl Into<String>, problem: &Problem) -> Self {
        Self { file: file.into(), position: Some(problem.position()), message: problem.message().into() }
    }

    /// The file's path.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The place in the file; `None` if it is the file's name that is wrong, or that it is there at all.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What is wrong and what to do.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(position) = self.position {
            write!(f, ":{position}")?;
        }
        write!(f, ": {}", self.message)
    }
}
