//! What is changed in texts that dunlin refuses, as its own errors say.

use std::fmt;

use dunlin::{Error, ErrorKind};

pub(super) const DIRECTIVE: &str = "-- dunlin: no-transaction";

/// A change to a text that dunlin refuses as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `-- dunlin: no-transaction` in a line before the first: the file holds what can't run in a transaction and does not
    /// say so. Its lines are one further down after this.
    NoTransaction,
    /// `CREATE INDEX CONCURRENTLY` without its `IF NOT EXISTS`, which would take an invalid index for a finished one. Spaces
    /// take its place.
    IfNotExists,
    /// The one `BEGIN` and the one `COMMIT` of the file are gone: dunlin brackets the file itself. Spaces take their place.
    /// Files with more of them stay refused: to run their statements one by one would be something else.
    OwnTransaction,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTransaction => "marked as no-transaction",
            Self::IfNotExists => "IF NOT EXISTS left out",
            Self::OwnTransaction => "its own BEGIN and COMMIT left out",
        })
    }
}

/// Parses the text, and changes it until it is accepted or no change helps.
pub(super) fn adapt<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, Error>,
) -> Result<(T, Vec<Change>), Error> {
    let (mut text, mut changes) = (text.to_owned(), Vec::new());
    loop {
        let error = match parse(&text) {
            Ok(parsed) => return Ok((parsed, changes)),
            Err(error) => error,
        };
        match cure(&error, &text) {
            Some((change, changed)) if !changes.contains(&change) => {
                changes.push(change);
                text = changed;
            }
            _ => return Err(error),
        }
    }
}

/// The change that the error asks for first, and the text after it.
fn cure(error: &Error, text: &str) -> Option<(Change, String)> {
    if error.kind() != ErrorKind::Script {
        return None;
    }
    let message = error.to_string();
    let problems = message.lines().map(|line| Problem::of(line, text)).collect::<Option<Vec<_>>>()?;
    let all = |of: &str| problems.iter().filter(|problem| problem.message.contains(of)).collect::<Vec<_>>();
    let repeated = all("CONCURRENTLY IF NOT EXISTS`");
    if !repeated.is_empty() {
        let mut changed = text.to_owned();
        for problem in repeated {
            let begin = problem.offset.checked_add(find(&changed, problem.offset, "IF")?)?;
            let length = find(&changed, begin, "EXISTS")?.checked_add("EXISTS".len())?;
            changed = blank(&changed, begin, length)?;
        }
        return Some((Change::IfNotExists, changed));
    }
    let control = all("can't be used in a migration");
    match control.as_slice() {
        [] => {}
        [begin, end] if begin.opens() && end.closes() => {
            // The last statement of a file need not end in a semicolon.
            let statement =
                |offset| find(text, offset, ";").map_or(text.len(), |length| length.saturating_add(1));
            let changed = blank(text, begin.offset, statement(begin.offset))?;
            return Some((Change::OwnTransaction, blank(&changed, end.offset, statement(end.offset))?));
        }
        _ => return None,
    }
    let outside = !all("can't run in a transaction: add `-- dunlin: no-transaction`").is_empty();
    outside.then(|| (Change::NoTransaction, format!("{DIRECTIVE}\n{text}")))
}

/// One line of dunlin's error about a script: `file:line:column: message`.
struct Problem<'a> {
    message: &'a str,
    /// In bytes of the text.
    offset: usize,
}

impl<'a> Problem<'a> {
    fn of(line: &'a str, text: &str) -> Option<Self> {
        let (place, message) = line.split_once(": ")?;
        let mut numbers = place.rsplit(':');
        let column: usize = numbers.next()?.parse().ok()?;
        let line: usize = numbers.next()?.parse().ok()?;
        let lines = text.split_inclusive('\n');
        let before: usize = lines.clone().take(line.checked_sub(1)?).map(str::len).sum();
        let within: usize = lines
            .clone()
            .nth(line.checked_sub(1)?)?
            .chars()
            .take(column.checked_sub(1)?)
            .map(char::len_utf8)
            .sum();
        Some(Self { message, offset: before.checked_add(within)? })
    }

    fn opens(&self) -> bool {
        self.message.starts_with("`BEGIN`") || self.message.starts_with("`START TRANSACTION`")
    }

    fn closes(&self) -> bool {
        self.message.starts_with("`COMMIT`") || self.message.starts_with("`END`")
    }
}

/// Finds SQL's word, in any case, and says how far it is from the offset.
fn find(text: &str, offset: usize, word: &str) -> Option<usize> {
    text.get(offset..)?.to_ascii_uppercase().find(word)
}

/// Puts spaces in the place of so many bytes, or of all that there is.
fn blank(text: &str, offset: usize, length: usize) -> Option<String> {
    let (before, rest) = text.split_at_checked(offset)?;
    let (gone, after) = rest.split_at_checked(length.min(rest.len()))?;
    let spaces: String = gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    Some(format!("{before}{spaces}{after}"))
}

#[cfg(test)]
mod tests {
    use dunlin::SqlMigration;

    use super::*;

    /// What becomes of a text, and what was changed.
    fn adapted(text: &str) -> Result<(String, Vec<Change>), Error> {
        adapt(text, |text| SqlMigration::new(1, "a", text).map(|_| text.to_owned()))
    }

    #[test]
    fn what_dunlin_accepts_stays_as_it_is() {
        assert_eq!(adapted("SELECT 1;").unwrap(), ("SELECT 1;".to_owned(), vec![]));
    }

    #[test]
    fn what_can_not_run_in_a_transaction_is_marked() {
        let text = "-- Müll\nDROP INDEX CONCURRENTLY i;\nSELECT 1;";
        let marked = format!("-- dunlin: no-transaction\n{text}");
        assert_eq!(adapted(text).unwrap(), (marked, vec![Change::NoTransaction]));
    }

    #[test]
    fn if_not_exists_gives_way_to_spaces() {
        let text = "SELECT 'ä'; create index concurrently\n  if not exists i ON t (a);\nCREATE INDEX CONCURRENTLY IF NOT EXISTS j ON t (b);";
        let (changed, changes) = adapted(text).unwrap();
        assert_eq!(changes, [Change::IfNotExists, Change::NoTransaction]);
        let blank = " ".repeat("IF NOT EXISTS".len());
        assert_eq!(
            changed,
            format!(
                "-- dunlin: no-transaction\nSELECT 'ä'; create index concurrently\n  {blank} i ON t (a);\n\
                 CREATE INDEX CONCURRENTLY {blank} j ON t (b);"
            )
        );
    }

    #[test]
    fn its_own_transaction_gives_way_to_spaces() {
        for (begin, end) in
            [("BEGIN;", "COMMIT;"), ("start transaction;", "END ;"), ("BEGIN WORK;", "commit work;")]
        {
            let (changed, changes) = adapted(&format!("-- x\n{begin}\nSELECT ';';\n{end}\n")).unwrap();
            assert_eq!(changes, [Change::OwnTransaction]);
            let blank = |text: &str| " ".repeat(text.len());
            assert_eq!(changed, format!("-- x\n{}\nSELECT ';';\n{}\n", blank(begin), blank(end)));
        }
    }

    #[test]
    fn transactions_that_are_more_than_a_bracket_stay_refused() {
        for text in [
            "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT;",
            "SELECT 1; COMMIT;",
            "BEGIN; SELECT 1; ROLLBACK;",
            "COMMIT; BEGIN;",
        ] {
            let error = adapted(text).unwrap_err();
            assert!(error.to_string().contains("can't be used in a migration"), "{error}");
        }
    }
}
