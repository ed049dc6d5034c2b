//! Runs what `pg_dump` or a hand has written.

use dunlin_script::{Position, Statement, StatementKind, split};
use tokio_postgres::{Client, Error, error::SqlState};

/// Runs the statements one by one. The error says where, and what to do.
pub(crate) async fn load(client: &Client, text: &str) -> Result<(), String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let statements = split(text)
        .map_err(|problem| format!("the schema's text, {}: {}", problem.position(), problem.message()))?;
    for statement in &statements {
        let sql = statement.text(text);
        let place = || format!("the schema's text, {}", Position::of_byte(text, statement.range().start));
        match todo(statement, sql) {
            Todo::Run => match client.batch_execute(sql).await {
                Ok(()) => {}
                Err(error) if may_fail(statement, sql, &error) => {}
                Err(error) => return Err(format!("{}: {}", place(), words(&error))),
            },
            Todo::PassOver => {}
            Todo::Refuse(why) => return Err(format!("{}: {why}", place())),
        }
    }
    Ok(())
}

enum Todo {
    Run,
    PassOver,
    Refuse(&'static str),
}

fn todo(statement: &Statement, sql: &str) -> Todo {
    match statement.kind() {
        // The fence that pg_dump has put around a dump since the releases of August 2025.
        StatementKind::PsqlMeta if sql.starts_with("\\restrict") || sql.starts_with("\\unrestrict") => {
            Todo::PassOver
        }
        StatementKind::PsqlMeta => Todo::Refuse("a command of psql, which only psql knows: leave it out"),
        StatementKind::CopyFromStdin => {
            Todo::Refuse("rows, which are no part of a schema: dump it with `pg_dump --schema-only`")
        }
        _ if is_about_roles(sql) => Todo::PassOver,
        _ => Todo::Run,
    }
}

/// Owners and privileges.
fn is_about_roles(sql: &str) -> bool {
    let words: Vec<_> = sql.split_whitespace().map(str::to_ascii_uppercase).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["GRANT" | "REVOKE", ..]
        | ["ALTER", "DEFAULT", "PRIVILEGES", ..]
        | ["SET", "SESSION", "AUTHORIZATION", ..] => true,
        // Not one of several actions, and not a column of that name.
        ["ALTER", what @ .., "OWNER", "TO", _] => {
            !what.contains(&"RENAME") && !what.last().is_some_and(|word| word.ends_with(','))
        }
        _ => false,
    }
}

/// What is as the text wants it anyway, or of no matter.
fn may_fail(statement: &Statement, sql: &str, error: &Error) -> bool {
    let is_setting = *statement.kind() == StatementKind::Setting;
    let words = || sql.split_whitespace().map(str::to_ascii_lowercase);
    match error.code() {
        Some(&SqlState::UNDEFINED_OBJECT) => is_setting,
        Some(&SqlState::DUPLICATE_SCHEMA) => words().eq(["create", "schema", "public"]),
        _ => false,
    }
}

/// What the server says, without the DETAIL, which may hold values.
fn words(error: &Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} (SQLSTATE {})", error.message(), error.code().code()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owners_and_privileges_are_passed_over() {
        for sql in [
            "ALTER TABLE public.a OWNER TO me",
            "ALTER FUNCTION public.f(integer, text)\n OWNER TO \"Me\"",
            "GRANT SELECT ON TABLE public.a TO me",
            "revoke all on schema public from public",
            "ALTER DEFAULT PRIVILEGES FOR ROLE me GRANT SELECT ON TABLES TO you",
            "SET SESSION AUTHORIZATION 'me'",
        ] {
            assert!(is_about_roles(sql), "{sql}");
        }
        for sql in [
            "CREATE TABLE a (owner int)",
            "ALTER SEQUENCE a_seq OWNED BY a.n",
            "ALTER TABLE a RENAME owner TO holder",
            "ALTER TABLE a ADD b int, OWNER TO me",
            "SET search_path = ''",
            "COMMENT ON TABLE a IS 'OWNER TO me'",
        ] {
            assert!(!is_about_roles(sql), "{sql}");
        }
    }
}
