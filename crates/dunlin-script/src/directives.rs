use std::time::Duration;

use crate::lexer::{Token, TokenKind};
use crate::{Position, Problem};

/// PostgreSQL keeps timeouts as a number of milliseconds that fits 32 bits.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(2_147_483_647);

const KNOWN: [&str; 4] = ["no-transaction", "lock-timeout", "statement-timeout", "requires-backfill"];

/// Whether a migration runs inside a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransactionMode {
    /// In a transaction of its own, together with its row in the history: all of it happens or nothing.
    #[default]
    PerMigration,
    /// Statement by statement, each committed by itself.
    None,
}

/// What the header of a script says: `-- dunlin:` lines in the comments before its first statement.
///
/// | Directive | Meaning |
/// |---|---|
/// | `-- dunlin: no-transaction` | the statements run one by one, each committed by itself |
/// | `-- dunlin: lock-timeout = 2s` | how long a statement may wait for a lock |
/// | `-- dunlin: statement-timeout = 30s` | how long a statement may run; 0 is for ever |
/// | `-- dunlin: requires-backfill = name` | an earlier migration whose backfill has to be finished before; there may be several |
///
/// Durations are whole numbers with a unit: `ms`, `s`, `min` or `h`. Anything else after `-- dunlin:` is an error, and so is
/// a directive after the first statement: it would do nothing there.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use dunlin_script::{Role, Script, TransactionMode};
///
/// let script = Script::parse(b"-- dunlin: lock-timeout = 2s\nDROP TABLE old;", Role::Up).unwrap();
/// assert_eq!(script.directives().lock_timeout(), Some(Duration::from_secs(2)));
/// assert_eq!(script.directives().transaction(), TransactionMode::PerMigration);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    transaction: TransactionMode,
    lock_timeout: Option<Duration>,
    statement_timeout: Option<Duration>,
    required_backfills: Vec<String>,
}

impl Directives {
    /// `None` after `no-transaction`.
    pub fn transaction(&self) -> TransactionMode {
        self.transaction
    }

    /// The `lock-timeout`, if there is one.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.lock_timeout
    }

    /// The `statement-timeout`, if there is one. Zero is no timeout.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout
    }

    /// The backfills that have to be finished before, in the order of the text; each once.
    pub fn required_backfills(&self) -> &[String] {
        &self.required_backfills
    }

    /// Reads the directives of a text, and says where the first of each stands.
    pub(crate) fn parse(text: &str, tokens: &[Token<'_>], problems: &mut Vec<Problem>) -> (Self, Places) {
        let mut directives = Self::default();
        let mut places = Places::default();
        let mut header = true;
        for token in tokens {
            header &= !token.is_significant();
            for (offset, directive) in directives_in(token) {
                let result = match (header, token.kind) {
                    (false, _) => Err("a directive after the first statement has begun does nothing: move it to the top of the file".into()),
                    (true, TokenKind::BlockComment) => {
                        Err("a directive in `/* */` does nothing: put it in a line of its own that begins with `--`".into())
                    }
                    (true, _) => directives.set(text, offset, directive, &mut places),
                };
                problems.extend(result.err().map(|message: String| Problem::at(text, offset, message)));
            }
        }
        (directives, places)
    }

    fn set(&mut self, text: &str, offset: usize, directive: &str, places: &mut Places) -> Result<(), String> {
        let (key, value) = match directive.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim())),
            None => (directive.trim(), None),
        };
        if directive.contains(',') {
            return Err("one directive to a line: write each behind a `-- dunlin:` of its own".into());
        }
        if key == "requires-backfill" {
            return self.require(text, offset, value.unwrap_or_default(), places);
        }
        let place = match key {
            "no-transaction" => &mut places.no_transaction,
            "lock-timeout" => &mut places.lock_timeout,
            "statement-timeout" => &mut places.statement_timeout,
            _ => return Err(unknown(key)),
        };
        if let Some(first) = *place {
            let line = Position::of_byte(text, first).line();
            return Err(format!("`{key}` is set twice, first in line {line}: remove one"));
        }
        *place = Some(offset);
        match (key, value) {
            ("no-transaction", None) => self.transaction = TransactionMode::None,
            ("no-transaction", Some(_)) => {
                return Err("`no-transaction` takes no value: write `-- dunlin: no-transaction`".into());
            }
            ("lock-timeout", value) => self.lock_timeout = Some(duration(key, value)?),
            (_, value) => self.statement_timeout = Some(duration(key, value)?),
        }
        Ok(())
    }

    fn require(&mut self, text: &str, offset: usize, name: &str, places: &mut Places) -> Result<(), String> {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(
                "`requires-backfill` takes the name of an earlier migration, without its version: write \
                        `requires-backfill = fill_amounts`"
                    .into(),
            );
        }
        let mut before = self.required_backfills.iter().zip(&places.required_backfills);
        if let Some((_, first)) = before.find(|(required, _)| *required == name) {
            let line = Position::of_byte(text, *first).line();
            return Err(format!("the backfill `{name}` is required twice, first in line {line}: remove one"));
        }
        self.required_backfills.push(name.to_owned());
        places.required_backfills.push(offset);
        Ok(())
    }
}

/// The offsets of the directives that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) no_transaction: Option<usize>,
    pub(crate) lock_timeout: Option<usize>,
    pub(crate) statement_timeout: Option<usize>,
    pub(crate) required_backfills: Vec<usize>,
}

/// The directives in a comment, each with the offset of the word `dunlin`.
fn directives_in<'a>(token: &Token<'a>) -> Vec<(usize, &'a str)> {
    if !matches!(token.kind, TokenKind::LineComment | TokenKind::BlockComment) {
        return Vec::new();
    }
    let mut at = token.start;
    let mut found = Vec::new();
    for line in token.text.split_inclusive('\n') {
        let content = line.trim_start_matches(['-', '/', '*', ' ', '\t']);
        let offset = at.saturating_add(line.len().saturating_sub(content.len()));
        let directive = content
            .split_at_checked("dunlin".len())
            .filter(|(dunlin, _)| dunlin.eq_ignore_ascii_case("dunlin"))
            .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
        found.extend(directive.map(|directive| (offset, directive.trim().trim_end_matches("*/").trim_end())));
        at = at.saturating_add(line.len());
    }
    found
}

fn unknown(key: &str) -> String {
    let normal = key.to_ascii_lowercase().replace(['_', ' '], "-");
    let close = KNOWN.iter().map(|known| (distance(&normal, known), known)).min();
    match close {
        _ if key.is_empty() => "a directive follows `dunlin:`, as in `-- dunlin: no-transaction`".into(),
        Some((distance, known)) if distance <= 3 || normal.starts_with(known) => {
            format!("unknown directive `{key}`: did you mean `{known}`?")
        }
        _ => format!(
            "unknown directive `{key}`: there are `no-transaction`, `lock-timeout`, `statement-timeout` and `requires-backfill`"
        ),
    }
}

fn duration(key: &str, value: Option<&str>) -> Result<Duration, String> {
    let value = value.unwrap_or_default();
    let wrong = || {
        format!("`{key}` takes a duration, a whole number with the unit ms, s, min or h: write `{key} = 2s`")
    };
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(digits).ok_or_else(wrong)?;
    if number.is_empty() {
        return Err(wrong());
    }
    let milliseconds: u64 = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "" if number.bytes().all(|digit| digit == b'0') => 0,
        _ => return Err(wrong()),
    };
    let duration = number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(milliseconds))
        .map(Duration::from_millis);
    match duration {
        Some(duration) if duration <= LONGEST_TIMEOUT => Ok(duration),
        _ => Err(format!("`{key} = {value}` is too long: 596h is the most that PostgreSQL takes")),
    }
}

/// The number of characters to insert, remove or replace to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        let mut next = vec![left];
        for (above, b) in row.iter().skip(1).zip(to.chars()) {
            let replaced = diagonal.saturating_add(usize::from(a != b));
            left = replaced.min(left.saturating_add(1)).min(above.saturating_add(1));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::lexer::Lexer;

    fn parse(text: &str) -> Result<Directives, String> {
        let mut problems = Vec::new();
        let tokens: Vec<_> = Lexer::new(text).collect();
        let (directives, _) = Directives::parse(text, &tokens, &mut problems);
        match &*problems {
            [] => Ok(directives),
            _ => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }

    #[test]
    fn the_header_is_read() {
        let directives = parse(
            "-- A licence.\n/* More of it. */\n\n--dunlin:no-transaction\n-- Dunlin: lock-timeout=2s\n\
             --   dunlin : statement-timeout = 1 min  \n-- dunlin: requires-backfill = a\n\
             --dunlin: requires-backfill=b\nSELECT 1;",
        );

        assert_eq!(
            directives,
            Ok(Directives {
                transaction: TransactionMode::None,
                lock_timeout: Some(Duration::from_secs(2)),
                statement_timeout: Some(Duration::from_secs(60)),
                required_backfills: vec!["a".to_owned(), "b".to_owned()],
            })
        );
    }

    #[test]
    fn other_comments_are_comments() {
        assert_eq!(
            parse("-- dunlin is a bird\n-- see dunlin: a bird\nSELECT '-- dunlin: x';"),
            Ok(Directives::default())
        );
    }

    #[test]
    fn durations_have_units() {
        for (value, milliseconds) in
            [("0", 0), ("0s", 0), ("1500ms", 1_500), ("90 s", 90_000), ("5min", 300_000), ("2h", 7_200_000)]
        {
            assert_eq!(
                duration("lock-timeout", Some(value)),
                Ok(Duration::from_millis(milliseconds)),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_directive_is_said() {
        let texts = [
            "-- dunlin: no-transactions",
            "-- dunlin: NO_TRANSACTION",
            "-- dunlin: notransaction",
            "-- dunlin: no-transaction, lock-timeout = 1s",
            "-- dunlin: run-as = admin",
            "-- dunlin:",
            "-- dunlin: no-transaction = true",
            "-- dunlin: lock-timeout",
            "-- dunlin: lock-timeout = 2",
            "-- dunlin: lock-timeout = 1.5s",
            "-- dunlin: lock-timeout = -1s",
            "-- dunlin: statement-timeout = 600h",
            "-- dunlin: statement-timeout = 99999999999999999999h",
            "-- dunlin: lock-timeout = 1s\n-- dunlin: lock-timeout = 2s",
            "-- dunlin: requires-backfill",
            "-- dunlin: requires-backfill = 0004 fill",
            "-- dunlin: requires-backfil = a",
            "-- dunlin: requires-backfill = a\n-- dunlin: requires-backfill = a",
            "/*\n * dunlin: no-transaction\n */",
            "SELECT 1; -- dunlin: no-transaction",
        ];
        let problems: Vec<_> = texts.iter().map(|text| parse(text).unwrap_err()).collect();
        assert_snapshot!(problems.join("\n"), @r"
        1:4: unknown directive `no-transactions`: did you mean `no-transaction`?
        1:4: unknown directive `NO_TRANSACTION`: did you mean `no-transaction`?
        1:4: unknown directive `notransaction`: did you mean `no-transaction`?
        1:4: one directive to a line: write each behind a `-- dunlin:` of its own
        1:4: unknown directive `run-as`: there are `no-transaction`, `lock-timeout`, `statement-timeout` and `requires-backfill`
        1:4: a directive follows `dunlin:`, as in `-- dunlin: no-transaction`
        1:4: `no-transaction` takes no value: write `-- dunlin: no-transaction`
        1:4: `lock-timeout` takes a duration, a whole number with the unit ms, s, min or h: write `lock-timeout = 2s`
        1:4: `lock-timeout` takes a duration, a whole number with the unit ms, s, min or h: write `lock-timeout = 2s`
        1:4: `lock-timeout` takes a duration, a whole number with the unit ms, s, min or h: write `lock-timeout = 2s`
        1:4: `lock-timeout` takes a duration, a whole number with the unit ms, s, min or h: write `lock-timeout = 2s`
        1:4: `statement-timeout = 600h` is too long: 596h is the most that PostgreSQL takes
        1:4: `statement-timeout = 99999999999999999999h` is too long: 596h is the most that PostgreSQL takes
        2:4: `lock-timeout` is set twice, first in line 1: remove one
        1:4: `requires-backfill` takes the name of an earlier migration, without its version: write `requires-backfill = fill_amounts`
        1:4: `requires-backfill` takes the name of an earlier migration, without its version: write `requires-backfill = fill_amounts`
        1:4: unknown directive `requires-backfil`: did you mean `requires-backfill`?
        2:4: the backfill `a` is required twice, first in line 1: remove one
        2:4: a directive in `/* */` does nothing: put it in a line of its own that begins with `--`
        1:14: a directive after the first statement has begun does nothing: move it to the top of the file
        ");
    }
}
