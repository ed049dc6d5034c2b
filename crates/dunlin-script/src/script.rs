use crate::directives::Places;
use crate::lexer::{Token, TokenKind};
use crate::split::Split;
use crate::{
    Checksums, Concurrent, Directives, Problem, Role, Statement, StatementKind, TransactionMode, normalize,
};

/// The server takes no larger message (<https://www.postgresql.org/docs/current/limits.html>).
const LONGEST_SCRIPT: usize = 1 << 30;

/// One SQL file of a migration, checked as far as it can be without a server and without the other files.
///
/// # Example
///
/// ```
/// use dunlin_script::{Role, Script};
///
/// let script = Script::parse(b"CREATE TABLE a (id int);\nCREATE TABLE b (id int);", Role::Up).unwrap();
/// assert_eq!(script.statements().len(), 2);
///
/// let problems = Script::parse(b"CREATE TABLE a (id int);\nCOMMIT;", Role::Up).unwrap_err();
/// assert!(problems[0].message().starts_with("`COMMIT` can't be used in a migration"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    text: String,
    directives: Directives,
    places: Places,
    statements: Vec<Statement>,
    checksums: Checksums,
}

impl Script {
    /// Reads the bytes of a file. `Role::Rust`, which no SQL file has, is taken as [`Role::Up`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, in the order of its text: it is not UTF-8; it has a NUL; white space that only
    /// looks like it; no statement; unknown directives; something that never ends; commands of psql; `COPY` from or to the
    /// client; and where the statements run in a transaction, those that end it or can't be in one.
    pub fn parse(bytes: &[u8], role: Role) -> Result<Self, Vec<Problem>> {
        let text = normalize(decode(bytes).map_err(|problem| vec![problem])?).into_owned();
        let mut problems = Vec::new();
        let Split { tokens, statements, problem } = Split::of(&text);
        problems.extend(problem);
        let (directives, places) = Directives::parse(&text, &tokens, &mut problems);
        check_characters(&text, &tokens, &mut problems);
        check_directives(&text, role, &directives, &places, &mut problems);
        if statements.is_empty() && problems.is_empty() {
            let advice = "remove it, or write `SELECT 1` if nothing is to be done";
            problems.push(Problem::at(&text, 0, format!("the file holds no statement: {advice}")));
        }
        let mode = Mode::new(role, directives.transaction());
        problems.extend(statements.iter().filter_map(|statement| {
            let message = mode.check(statement.kind())?;
            Some(Problem::at(&text, statement.range().start, message))
        }));
        match problems.is_empty() {
            true => {
                let checksums = Checksums::of_tokens(&text, tokens.into_iter());
                Ok(Self { checksums, text, directives, places, statements })
            }
            false => {
                problems.sort_by_key(Problem::offset);
                Err(problems)
            }
        }
    }

    /// The [normalised](crate::normalize) text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the header says.
    pub fn directives(&self) -> &Directives {
        &self.directives
    }

    /// Where the header says that this backfill is required.
    pub(crate) fn problem_with_required(&self, name: &str, message: String) -> Problem {
        let mut required = self.directives.required_backfills().iter().zip(&self.places.required_backfills);
        let offset = required.find(|(required, _)| *required == name).map_or(0, |(_, offset)| *offset);
        Problem::at(&self.text, offset, message)
    }

    /// The statements, at least one. Their ranges are those of [`text`](Self::text).
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The checksums of the text.
    pub fn checksums(&self) -> Checksums {
        self.checksums
    }
}

/// How the statements of a script will run, which decides what they may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Transaction,
    NoTransaction,
    Verify,
}

impl Mode {
    fn new(role: Role, transaction: TransactionMode) -> Self {
        match (role, transaction) {
            (Role::Verify, _) => Self::Verify,
            (_, TransactionMode::PerMigration) => Self::Transaction,
            (_, TransactionMode::None) => Self::NoTransaction,
        }
    }

    /// What is wrong with a statement.
    fn check(self, kind: &StatementKind) -> Option<String> {
        match (kind, self) {
            (StatementKind::TransactionControl(what), Self::Transaction) => Some(format!(
                "`{what}` can't be used in a migration: dunlin begins and commits by itself; remove it"
            )),
            (StatementKind::TransactionControl(what), Self::NoTransaction) => Some(format!(
                "`{what}` can't be used here: each statement of a `no-transaction` migration commits by itself and is recorded; \
                 remove it, and move what needs a transaction to a migration that has one"
            )),
            (StatementKind::TransactionControl(what), Self::Verify) => Some(format!(
                "`{what}` can't be used in a verify script: it runs in a transaction that dunlin rolls back; remove it"
            )),
            (StatementKind::OutsideTransaction("DISCARD ALL"), _) => Some(
                "`DISCARD ALL` can't be used in a migration: it would free the lock that keeps other runners away; remove it, \
                 dunlin resets the session by itself"
                    .into(),
            ),
            (StatementKind::OutsideTransaction(what), Self::Transaction) => Some(needs_no_transaction(what)),
            (StatementKind::OutsideTransaction(what), Self::Verify) => Some(not_in_verify(what)),
            (StatementKind::Concurrent(concurrent), mode) => check_concurrent(concurrent, mode),
            (StatementKind::CopyFromStdin, _) => Some(
                "`COPY ... FROM STDIN` can't be used in a migration, there is no client to send the data: write `INSERT`s \
                 (`pg_dump --inserts` does), or load the data in a Rust migration"
                    .into(),
            ),
            (StatementKind::CopyToStdout, _) => {
                Some("`COPY ... TO STDOUT` can't be used in a migration, there is no client to take the data: remove it".into())
            }
            (StatementKind::PsqlMeta, _) => Some(
                "a backslash outside of quotes begins a command of psql, which the server doesn't know: remove it, or write what it \
                 does in SQL"
                    .into(),
            ),
            _ => None,
        }
    }
}

fn check_concurrent(concurrent: &Concurrent, mode: Mode) -> Option<String> {
    let what = concurrent.command();
    match (mode, concurrent) {
        (Mode::Verify, _) => Some(not_in_verify(what)),
        (_, Concurrent::CreateIndex(create)) if create.if_not_exists() => Some(format!(
            "`{what} IF NOT EXISTS` would take an invalid index, which a build that failed leaves behind, for a finished one: leave \
             `IF NOT EXISTS` out, dunlin drops an invalid index and builds it again{}",
            if mode == Mode::Transaction { "; and add `-- dunlin: no-transaction`" } else { "" },
        )),
        (Mode::Transaction, _) => Some(needs_no_transaction(what)),
        (_, Concurrent::CreateIndex(create)) if create.index().is_none() => Some(format!(
            "`{what}` needs the name of the index: dunlin has to find it again when the build fails half way"
        )),
        (_, Concurrent::Unreadable(_)) => Some(format!(
            "the names in `{what}` can't be read: write them plainly or in `\"\"`, not as `U&\"\"`"
        )),
        _ => None,
    }
}

fn needs_no_transaction(what: &str) -> String {
    format!(
        "`{what}` can't run in a transaction: add `-- dunlin: no-transaction` at the top, and move what needs one to another migration"
    )
}

fn not_in_verify(what: &str) -> String {
    format!("`{what}` can't run in a transaction, and a verify script does: move it to the migration")
}

fn check_directives(
    text: &str,
    role: Role,
    directives: &Directives,
    places: &Places,
    problems: &mut Vec<Problem>,
) {
    if let (Role::Verify, Some(offset)) = (role, places.no_transaction) {
        let message = "a verify script runs in a transaction that is rolled back: remove `no-transaction`";
        problems.push(Problem::at(text, offset, message));
    }
    if let (Role::Down | Role::Verify, Some(offset)) = (role, places.required_backfills.first()) {
        let message = format!(
            "`requires-backfill` is about applying the migration, and does nothing in a {role} script: remove it"
        );
        problems.push(Problem::at(text, *offset, message));
    }
    let for_ever = directives.lock_timeout().is_some_and(|timeout| timeout.is_zero());
    if let (true, TransactionMode::PerMigration, Some(offset)) =
        (for_ever, directives.transaction(), places.lock_timeout)
    {
        let message = "`lock-timeout = 0` waits for ever with everybody else waiting behind it: give the longest wait that is \
                       all right, dunlin tries again after it";
        problems.push(Problem::at(text, offset, message));
    }
}

/// Looks for characters that the server doesn't take, or takes for the letter of a name.
fn check_characters(text: &str, tokens: &[Token<'_>], problems: &mut Vec<Problem>) {
    if let Some(offset) = text.find('\0') {
        let message = "NUL can't be in a script, PostgreSQL has no such character: remove it";
        problems.push(Problem::at(text, offset, message));
    }
    // ASCII texts need no second look.
    if text.is_ascii() {
        return;
    }
    for token in tokens.iter().filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Number)) {
        let invisible = token.text.char_indices().find(|(_, c)| is_invisible(*c));
        problems.extend(invisible.map(|(at, c)| {
            let code = u32::from(c);
            let message = format!(
                "U+{code:04X} looks like white space, but is a letter to PostgreSQL: replace it with a space"
            );
            Problem::at(text, token.start.saturating_add(at), message)
        }));
    }
}

/// White space beyond ASCII, and what is not seen at all: soft hyphen, zero-width space, marks of direction, word joiner, byte
/// order mark.
fn is_invisible(c: char) -> bool {
    !c.is_ascii() && c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::at("", 0, "the file is UTF-16: save it as UTF-8"));
    }
    if bytes.len() > LONGEST_SCRIPT {
        return Err(Problem::at(
            "",
            0,
            "the file has more than 1 GiB, which is the most that PostgreSQL takes: split it",
        ));
    }
    str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let (valid, rest) = bytes.split_at_checked(offset).unwrap_or_default();
        let valid = str::from_utf8(valid).unwrap_or_default();
        let byte = rest.first().copied().unwrap_or_default();
        Problem::at(valid, offset, format!("byte 0x{byte:02x} is not UTF-8: save the file as UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn problems(bytes: impl AsRef<[u8]>, role: Role) -> String {
        let problems = Script::parse(bytes.as_ref(), role).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn all(role: Role, scripts: &[&str]) -> String {
        scripts.iter().map(|script| problems(script, role)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_sound_script_is_normalised_and_split() {
        let bytes = "\u{feff}-- dunlin: lock-timeout = 1s\r\nSAVEPOINT a;\r\nROLLBACK TO a;\r\nSELECT '\u{a0}' AS größe;";
        let script = Script::parse(bytes.as_bytes(), Role::Up).unwrap();
        assert_eq!(
            script.text(),
            "-- dunlin: lock-timeout = 1s\nSAVEPOINT a;\nROLLBACK TO a;\nSELECT '\u{a0}' AS größe;"
        );
        assert_eq!(script.statements().len(), 3);
        assert_eq!(script.checksums(), Checksums::of(bytes));
    }

    #[test]
    fn no_transaction_allows_what_needs_none() {
        let text = "-- dunlin: no-transaction\n-- dunlin: lock-timeout = 0\nVACUUM; CREATE INDEX CONCURRENTLY i ON t (a);\
                    DROP INDEX CONCURRENTLY j; REINDEX TABLE CONCURRENTLY t";
        assert_eq!(Script::parse(text.as_bytes(), Role::Up).unwrap().statements().len(), 4);
        assert_eq!(Script::parse(text.as_bytes(), Role::Down).unwrap().statements().len(), 4);
    }

    #[test]
    fn bytes_that_are_no_text_are_said() {
        let texts: [&[u8]; 5] = [
            b"SELECT 1;\n-- caf\xe9\n",
            b"\xff\xfeS\0",
            b"SELECT 'a\0b'",
            b"\xef\xbb\xbf\r\nSELECT\xc2\xa01;",
            b"SELECT 1\xe2\x80\x8b",
        ];
        let text: Vec<_> = texts.iter().map(|text| problems(text, Role::Up)).collect();
        assert_snapshot!(text.join("\n"), @r#"
        2:7: byte 0xe9 is not UTF-8: save the file as UTF-8
        1:1: the file is UTF-16: save it as UTF-8
        1:10: NUL can't be in a script, PostgreSQL has no such character: remove it
        2:7: U+00A0 looks like white space, but is a letter to PostgreSQL: replace it with a space
        1:9: U+200B looks like white space, but is a letter to PostgreSQL: replace it with a space
        "#);
    }

    #[test]
    fn files_without_a_statement_are_said() {
        assert_snapshot!(all(Role::Up, &["", "\u{feff}\n", "-- later\n;;\n", "/* never ends"]), @r#"
        1:1: the file holds no statement: remove it, or write `SELECT 1` if nothing is to be done
        1:1: the file holds no statement: remove it, or write `SELECT 1` if nothing is to be done
        1:1: the file holds no statement: remove it, or write `SELECT 1` if nothing is to be done
        1:1: the comment never ends: add `*/` (comments nest, each `/*` needs its own)
        "#);
    }

    #[test]
    fn what_breaks_a_transaction_is_said() {
        assert_snapshot!(all(Role::Up, &[
            "SELECT 1;\n  COMMIT;",
            "PREPARE TRANSACTION 'a'",
            "VACUUM t",
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "DROP INDEX CONCURRENTLY i",
            "REINDEX INDEX CONCURRENTLY i",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",
            "-- dunlin: lock-timeout = 0ms\nSELECT 1",
        ]), @r#"
        2:3: `COMMIT` can't be used in a migration: dunlin begins and commits by itself; remove it
        1:1: `PREPARE TRANSACTION` can't be used in a migration: dunlin begins and commits by itself; remove it
        1:1: `VACUUM` can't run in a transaction: add `-- dunlin: no-transaction` at the top, and move what needs one to another migration
        1:1: `CREATE INDEX CONCURRENTLY` can't run in a transaction: add `-- dunlin: no-transaction` at the top, and move what needs one to another migration
        1:1: `DROP INDEX CONCURRENTLY` can't run in a transaction: add `-- dunlin: no-transaction` at the top, and move what needs one to another migration
        1:1: `REINDEX CONCURRENTLY` can't run in a transaction: add `-- dunlin: no-transaction` at the top, and move what needs one to another migration
        1:1: `CREATE INDEX CONCURRENTLY IF NOT EXISTS` would take an invalid index, which a build that failed leaves behind, for a finished one: leave `IF NOT EXISTS` out, dunlin drops an invalid index and builds it again; and add `-- dunlin: no-transaction`
        1:4: `lock-timeout = 0` waits for ever with everybody else waiting behind it: give the longest wait that is all right, dunlin tries again after it
        "#);
    }

    #[test]
    fn what_can_not_be_recovered_is_said() {
        assert_snapshot!(all(Role::Up, &[
            "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",
            "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY ON t (a)",
            "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY U&\"i\" ON t (a)",
            "-- dunlin: no-transaction\nDROP INDEX CONCURRENTLY U&\"i\"",
            "-- dunlin: no-transaction\nSELECT 1; BEGIN",
            "-- dunlin: no-transaction\nDISCARD ALL",
        ]), @r#"
        2:1: `CREATE INDEX CONCURRENTLY IF NOT EXISTS` would take an invalid index, which a build that failed leaves behind, for a finished one: leave `IF NOT EXISTS` out, dunlin drops an invalid index and builds it again
        2:1: `CREATE INDEX CONCURRENTLY` needs the name of the index: dunlin has to find it again when the build fails half way
        2:1: the names in `CREATE INDEX CONCURRENTLY` can't be read: write them plainly or in `""`, not as `U&""`
        2:1: the names in `DROP INDEX CONCURRENTLY` can't be read: write them plainly or in `""`, not as `U&""`
        2:11: `BEGIN` can't be used here: each statement of a `no-transaction` migration commits by itself and is recorded; remove it, and move what needs a transaction to a migration that has one
        2:1: `DISCARD ALL` can't be used in a migration: it would free the lock that keeps other runners away; remove it, dunlin resets the session by itself
        "#);
    }

    #[test]
    fn what_has_no_place_in_a_verify_script_is_said() {
        assert_snapshot!(all(Role::Verify, &[
            "-- dunlin: no-transaction\nROLLBACK",
            "VACUUM",
            "CREATE INDEX CONCURRENTLY i ON t (a)",
        ]), @r#"
        1:4: a verify script runs in a transaction that is rolled back: remove `no-transaction`
        2:1: `ROLLBACK` can't be used in a verify script: it runs in a transaction that dunlin rolls back; remove it
        1:1: `VACUUM` can't run in a transaction, and a verify script does: move it to the migration
        1:1: `CREATE INDEX CONCURRENTLY` can't run in a transaction, and a verify script does: move it to the migration
        "#);
    }

    #[test]
    fn what_only_psql_can_do_is_said() {
        assert_snapshot!(all(Role::Up, &[
            "\\restrict x\nCOPY t FROM stdin;\n1\tit's\n\\.\nSELECT 1;\n\\unrestrict x",
            "COPY t TO STDOUT",
            "SELECT 1 \\gexec",
        ]), @r#"
        1:1: a backslash outside of quotes begins a command of psql, which the server doesn't know: remove it, or write what it does in SQL
        2:1: `COPY ... FROM STDIN` can't be used in a migration, there is no client to send the data: write `INSERT`s (`pg_dump --inserts` does), or load the data in a Rust migration
        6:1: a backslash outside of quotes begins a command of psql, which the server doesn't know: remove it, or write what it does in SQL
        1:1: `COPY ... TO STDOUT` can't be used in a migration, there is no client to take the data: remove it
        1:1: a backslash outside of quotes begins a command of psql, which the server doesn't know: remove it, or write what it does in SQL
        "#);
    }

    #[test]
    fn all_problems_come_at_once_and_in_order() {
        assert_snapshot!(problems(
            "-- dunlin: no-transactoin\nBEGIN;\nVACUUM;\nSELECT\u{a0}1;\nEND;\nSELECT 'a",
            Role::Up,
        ), @r"
        1:4: unknown directive `no-transactoin`: did you mean `no-transaction`?
        2:1: `BEGIN` can't be used in a migration: dunlin begins and commits by itself; remove it
        3:1: `VACUUM` can't run in a transaction: add `-- dunlin: no-transaction` at the top, and move what needs one to another migration
        4:7: U+00A0 looks like white space, but is a letter to PostgreSQL: replace it with a space
        5:1: `END` can't be used in a migration: dunlin begins and commits by itself; remove it
        6:8: the string never ends: add the `'`
        ");
    }
}
