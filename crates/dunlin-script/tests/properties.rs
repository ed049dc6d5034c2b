//! Properties that hold for every script, tried on random ones.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may panic, and so may their helpers"
)]

use dunlin_script::{Checksums, split};
use proptest::prelude::*;
use proptest::sample::select;

/// Tokens that stay what they are whatever stands next to them, as long as [`needs_space`] is heeded.
const TOKENS: [&str; 44] = [
    "select",
    "Select",
    "users",
    "größe",
    "a$1",
    "case",
    "\"a\"",
    "\"a b\"",
    "\"a\"\"b;\"",
    "'x'",
    "'x y'",
    "'x  y'",
    "'it''s'",
    "'--'",
    "'/*'",
    "';'",
    "'\\'",
    "E'\\''",
    "E'a;\\\\'",
    "B'01'",
    "X'1F'",
    "U&'d!0061' ",
    "$$ a; $$",
    "$$a;$$",
    "$t$ $$ ' $t$",
    "1",
    "1.5",
    "1e10",
    "$1",
    "(a)",
    "(a;b)",
    "[",
    "]",
    ",",
    ".",
    "::",
    "=",
    "<=",
    "<>",
    "->>",
    "-",
    "@-",
    "*",
    ";",
];

/// White space and comments that stand between tokens.
const GAPS: [&str; 12] = [
    " ",
    "\n",
    "\t \u{c}",
    "\r\n",
    " -- c\n",
    "--; '\n",
    "/**/",
    "/* a */",
    "/* /* ; */ ' */",
    " /*--*/ ",
    "\n-- dunlin\n",
    " -- $$\n\n",
];

fn tokens() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(&TOKENS[..]).prop_map(str::trim), 0..14)
}

/// A gap for before each of the tokens and one for after the last.
fn gaps() -> impl Strategy<Value = Vec<Vec<&'static str>>> {
    prop::collection::vec(prop::collection::vec(select(&GAPS[..]), 0..3), 15)
}

/// Writes tokens down, with a space where two of them would become something else.
fn written(tokens: &[&str], gaps: &[Vec<&str>]) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let mut gap = gaps[at].concat();
        if at > 0 && continues(tokens[at - 1], token) {
            // A line end would make one string of two, so only one line.
            gap = " /* c */ ".into();
        } else if at > 0 && gap.is_empty() && needs_space(tokens[at - 1], token) {
            gap = " ".into();
        } else if at > 0 && gap.starts_with('-') && tokens[at - 1].ends_with('-') {
            gap.insert(0, ' ');
        }
        text.push_str(&gap);
        text.push_str(token);
    }
    let last = gaps[gaps.len() - 1].concat();
    // `-` and a comment are a comment.
    let space = if text.ends_with('-') { " " } else { "" };
    format!("{text}{space}{last}")
}

fn is_operator(token: &str) -> bool {
    token.chars().all(|c| "-=<>@*/".contains(c))
}

fn continues(left: &str, right: &str) -> bool {
    left.ends_with('\'') && right.starts_with('\'')
}

fn needs_space(left: &str, right: &str) -> bool {
    let wordy = |c: char| c.is_alphanumeric() || "_$\"'".contains(c);
    let last = left.chars().next_back().unwrap();
    let first = right.chars().next().unwrap();
    (wordy(last) && wordy(first))
        || (is_operator(left) && is_operator(right))
        || (last == '.' && (first == '.' || first.is_ascii_digit()))
        || (first == '.' && last.is_ascii_digit())
        || (last == ':' && first == '=')
        || (last == ':' && first == ':')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn splitting_loses_nothing(tokens in tokens(), gaps in gaps()) {
        let text = written(&tokens, &gaps);
        let mut at = 0;
        for statement in split(&text).unwrap() {
            let range = statement.range();
            prop_assert!(at <= range.start && range.start < range.end);
            prop_assert!(is_gap(&text[at..range.start]), "{:?}", &text[at..range.start]);
            prop_assert_eq!(statement.text(&text), &text[range.clone()]);
            at = range.end;
        }
        prop_assert!(is_gap(&text[at..]), "{:?}", &text[at..]);
    }

    #[test]
    fn a_statement_is_cut_at_every_semicolon(tokens in tokens(), gaps in gaps()) {
        let text = written(&tokens, &gaps);
        let expected = tokens.split(|token| *token == ";").filter(|tokens| !tokens.is_empty()).count();
        prop_assert_eq!(split(&text).unwrap().len(), expected);
    }

    #[test]
    fn a_statement_that_is_split_again_is_one(tokens in tokens(), gaps in gaps()) {
        let text = written(&tokens, &gaps);
        for statement in split(&text).unwrap() {
            let piece = statement.text(&text);
            let again = split(piece).unwrap();
            prop_assert_eq!(again.len(), 1);
            prop_assert_eq!(again[0].range(), 0..piece.len());
            prop_assert_eq!(again[0].kind(), statement.kind());
        }
    }

    #[test]
    fn comments_and_white_space_do_not_change_the_tokens_checksum(tokens in tokens(), one in gaps(), other in gaps()) {
        let (one, other) = (written(&tokens, &one), written(&tokens, &other));
        prop_assert_eq!(Checksums::of(&one).tokens(), Checksums::of(&other).tokens(), "{:?} {:?}", one, other);
    }

    #[test]
    fn every_other_change_does(tokens in tokens(), at: prop::sample::Index, new in select(&TOKENS[..]), gaps in gaps()) {
        let before = Checksums::of(&written(&tokens, &gaps)).tokens();
        let new = new.trim();
        let mut longer = tokens.clone();
        let place = at.index(tokens.len() + 1);
        longer.insert(place, new);
        prop_assert_ne!(before, Checksums::of(&written(&longer, &gaps_for(&gaps, longer.len()))).tokens());
        if tokens.is_empty() {
            return Ok(());
        }
        let place = at.index(tokens.len());
        let mut changed = tokens.clone();
        changed[place] = new;
        let same = tokens[place] == new;
        prop_assert_eq!(before == Checksums::of(&written(&changed, &gaps)).tokens(), same);
        let mut shorter = tokens.clone();
        shorter.remove(place);
        prop_assert_ne!(before, Checksums::of(&written(&shorter, &gaps)).tokens());
    }

    #[test]
    fn no_text_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "([-+*/:.'\"$\\\\ab1E \n\r();é\u{a0}]|--|/\\*|\\*/|\\$\\$|\n\\\\\\.\n|copy a from stdin;|begin atomic|create function |reindex \\(|end |-- dunlin: ){0,24}") {
        for role in [dunlin_script::Role::Up, dunlin_script::Role::Verify] {
            let _ = dunlin_script::Script::parse(&bytes, role);
            let _ = dunlin_script::Script::parse(text.as_bytes(), role);
        }
        let _ = dunlin_script::FileName::parse(&text);
    }
}

fn gaps_for<'a>(gaps: &[Vec<&'a str>], tokens: usize) -> Vec<Vec<&'a str>> {
    let mut gaps = gaps.to_vec();
    gaps.resize(gaps.len().max(tokens + 1), Vec::new());
    gaps
}

/// Whether a text is white space, comments and `;`; judged without the crate's lexer.
fn is_gap(mut text: &str) -> bool {
    loop {
        text = text.trim_start_matches([' ', '\n', '\t', '\r', '\u{c}', ';']);
        if text.is_empty() {
            return true;
        } else if text.starts_with("--") {
            text = text.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(rest) = text.strip_prefix("/* /* ; */ ' */") {
            text = rest;
        } else if text.starts_with("/*") {
            text = text.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            return false;
        }
    }
}
