//! Any file: the name is in the first line of the input, what the file holds in the others.
#![no_main]

use std::time::Duration;

use dunlin_script::{FileName, Position, Role, Script, SourceFile, TransactionMode, assemble};
use libfuzzer_sys::fuzz_target;

/// The most that PostgreSQL takes.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

fuzz_target!(|input: &[u8]| {
    let (name, contents) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    if let Ok(name) = str::from_utf8(name) {
        file_name(name);
        let _ = assemble("migrations", [SourceFile::new(name, contents)]);
    }
    for role in [Role::Up, Role::Down, Role::Verify] {
        match Script::parse(contents, role) {
            Ok(script) => header(&script, role),
            Err(problems) => {
                assert!(!problems.is_empty() && problems.is_sorted_by_key(|problem| problem.offset()));
                for problem in problems {
                    assert!(problem.offset() <= contents.len() && !problem.message().is_empty());
                    assert!(problem.position() >= Position::of_byte("", 0));
                }
            }
        }
    }
});

fn file_name(text: &str) {
    let Ok(Some(name)) = FileName::parse(text) else { return };
    let ending = match name.role() {
        Role::Up => "up.sql",
        Role::Down => "down.sql",
        Role::Verify => "verify.sql",
        _ => "rs",
    };
    let canonical = format!("{}_{}.{ending}", name.version(), name.name());
    assert_eq!(FileName::parse(&canonical), Ok(Some(name)), "{canonical}");
}

/// What the header says is what dunlin's directives can say, and writing it down anew says the same.
fn header(script: &Script, role: Role) {
    let directives = script.directives();
    let (lock, statement) = (directives.lock_timeout(), directives.statement_timeout());
    assert!(lock.max(statement).is_none_or(|timeout| timeout <= LONGEST));
    if directives.transaction() == TransactionMode::PerMigration {
        assert_ne!(lock, Some(Duration::ZERO));
    }
    let outside = (directives.transaction() == TransactionMode::None).then(|| "no-transaction".to_owned());
    let lock = lock.map(|timeout| format!("lock-timeout = {}ms", timeout.as_millis()));
    let statement = statement.map(|timeout| format!("statement-timeout = {}ms", timeout.as_millis()));
    let required = directives.required_backfills().iter().map(|name| format!("requires-backfill = {name}"));
    let lines: String = [outside, lock, statement]
        .into_iter()
        .flatten()
        .chain(required)
        .map(|line| format!("-- dunlin: {line}\n"))
        .collect();
    let first = script.statements()[0].range().start;
    let anew = Script::parse(format!("{lines}{}", &script.text()[first..]).as_bytes(), role).unwrap();
    assert_eq!(anew.directives(), directives);
}
