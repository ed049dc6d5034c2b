//! The splitter agrees with the server on random valid scripts: each piece is one statement to it, and there are no more.

mod grammar;

use std::fmt::Write as _;

use dunlin_script::split;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tests::database;
use tokio_postgres::{Client, SimpleQueryMessage};

/// What the statements of the grammar refer to.
const BEFORE: &str = "CREATE TABLE t (a text); CREATE TABLE u (a text);";

#[test]
fn each_piece_is_one_statement_to_the_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(database());
    let client = runtime.block_on(async {
        let client = database.connect().await.unwrap();
        client.batch_execute(BEFORE).await.unwrap();
        client
    });
    // `PROPTEST_CASES` asks for more than 256. A failure prints the script: nothing is kept.
    let config = Config { failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config)
        .run(&grammar::script(), |script| runtime.block_on(async { check(&client, &script).await }));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

async fn check(client: &Client, script: &grammar::Script) -> Result<(), TestCaseError> {
    let text = &*script.text;
    client.batch_execute("BEGIN").await.unwrap();
    let checked = check_in_transaction(client, script).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    checked.map_err(|why| {
        let pieces =
            split(text).map(|pieces| pieces.iter().map(|piece| piece.text(text)).collect::<Vec<_>>());
        TestCaseError::fail(format!("{why}\nthe script:\n{text}\nits pieces: {pieces:#?}"))
    })
}

async fn check_in_transaction(client: &Client, script: &grammar::Script) -> Result<(), String> {
    let text = &*script.text;
    let pieces = split(text).map_err(|problem| problem.to_string())?;
    for piece in &pieces {
        // The server refuses to prepare several statements at once.
        client.prepare(piece.text(text)).await.map_err(|error| told(&error, piece.text(text)))?;
    }
    let mut at = 0;
    for piece in &pieces {
        is_gap(&text[at..piece.range().start])?;
        at = piece.range().end;
    }
    is_gap(&text[at..])?;
    // A script without a statement is answered as if it had one.
    let answers = client.simple_query(&format!("SELECT;{text}")).await.map_err(|error| told(&error, text))?;
    let completed = answers.iter().filter(|answer| matches!(answer, SimpleQueryMessage::CommandComplete(_)));
    let (completed, written) = (completed.count() - 1, script.statements);
    if (pieces.len(), completed) == (written, written) {
        Ok(())
    } else {
        Err(format!("{} pieces, {completed} statements to the server, {written} written", pieces.len()))
    }
}

/// What the server says, and of which text.
fn told(error: &tokio_postgres::Error, text: &str) -> String {
    let mut told = String::from("the server refuses: ");
    match error.as_db_error() {
        Some(error) => {
            write!(told, "{} ({}) at {:?}", error.message(), error.code().code(), error.position())
        }
        None => write!(told, "{error}"),
    }
    .unwrap();
    format!("{told}: {text:?}")
}

/// Whether a text is white space, comments and `;`, judged without the crate's lexer.
fn is_gap(gap: &str) -> Result<(), String> {
    let mut text = gap;
    loop {
        text = text.trim_start_matches([' ', '\n', '\t', '\r', '\u{c}', ';']);
        if let Some(rest) = text.strip_prefix("--") {
            text = rest.find(['\n', '\r']).map_or("", |end| &rest[end..]);
        } else if text.starts_with("/*") {
            text = behind_comment(text).ok_or(format!("a comment is open in {gap:?}"))?;
        } else if text.is_empty() {
            return Ok(());
        } else {
            return Err(format!("between two pieces there is {text:?}"));
        }
    }
}

fn behind_comment(text: &str) -> Option<&str> {
    let (mut depth, mut at) = (0, 0);
    while let Some(rest) = text.get(at..) {
        let (opened, length) = match rest.as_bytes() {
            [b'/', b'*', ..] => (1, 2),
            [b'*', b'/', ..] => (-1, 2),
            [] => return None,
            _ => (0, rest.chars().next().map_or(1, char::len_utf8)),
        };
        depth += opened;
        at += length;
        if depth == 0 {
            return text.get(at..);
        }
    }
    None
}
