//! Any text: the splitter's pieces are in order and apart, and stay what they are when they are put together again.
#![no_main]

use dunlin_script::{Checksums, Role, Script, Statement, StatementKind, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for role in [Role::Up, Role::Verify] {
        if let Ok(script) = Script::parse(text.as_bytes(), role) {
            assert_eq!(split(script.text()).as_deref(), Ok(script.statements()));
            assert_eq!(Checksums::of(script.text()), script.checksums());
        }
    }
    let behind_comment = format!("/* ; */\n{}", text.trim_start_matches('\u{feff}'));
    assert_eq!(Checksums::of(text).tokens(), Checksums::of(&behind_comment).tokens());

    let Ok(statements) = split(text) else { return };
    let mut at = 0;
    for statement in &statements {
        let range = statement.range();
        assert!(at <= range.start && range.start < range.end, "{range:?} after {at}");
        assert!(text.get(range.clone()).is_some(), "{range:?} cuts a character");
        at = range.end;
    }
    let again = joined(&statements, text);
    assert_eq!(pieces(&again, &split(&again).unwrap()), pieces(text, &statements));
});

fn pieces<'a>(text: &'a str, statements: &'a [Statement]) -> Vec<(&'a str, &'a StatementKind)> {
    statements.iter().map(|statement| (statement.text(text), statement.kind())).collect()
}

/// The statements one after another. What follows one must not look like the end of a `COPY`'s data, a line `\.`, where it
/// did not before, and a byte order mark is a letter anywhere but at the start.
fn joined(statements: &[Statement], text: &str) -> String {
    let end = |statement: &Statement| match (statement.kind(), statement.text(text)) {
        (StatementKind::PsqlMeta, _) => "\r\n ",
        (StatementKind::CopyFromStdin, copy) if copy.ends_with("\n\\.") => "\n ",
        _ => "; ",
    };
    let parts = statements.iter().flat_map(|statement| [statement.text(text), end(statement)]);
    [" "].into_iter().chain(parts).collect()
}
