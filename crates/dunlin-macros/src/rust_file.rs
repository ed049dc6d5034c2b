use std::iter::Peekable;

use proc_macro::{Delimiter, TokenStream, TokenTree};

/// Says what is wrong with the text of a Rust migration, as far as the compiler would say it in the wrong place: at `embed!`,
/// which names the `Migration` of each file. Everything else it says in the file itself.
pub(crate) fn check(contents: &[u8]) -> Option<String> {
    // The compiler reports a file that is not UTF-8 or no Rust, at its place.
    let tokens: TokenStream = str::from_utf8(contents).ok()?.parse().ok()?;
    match find(&mut tokens.into_iter().peekable()) {
        Found::Unit | Found::Unknown => None,
        Found::Private => Some("`struct Migration` is private: write `pub struct Migration;`".into()),
        Found::Fields => {
            Some("`Migration` has fields, and nobody to fill them in: write `pub struct Migration;`, resources come from the context".into())
        }
        Found::Nothing => Some(
            "there is no `pub struct Migration;` in this file: a Rust migration is a unit struct of that name that implements \
             `dunlin::RustMigration`"
                .into(),
        ),
    }
}

enum Found {
    /// `pub struct Migration;`
    Unit,
    Private,
    Fields,
    /// A macro or a `use` may bring it.
    Unknown,
    Nothing,
}

fn find(tokens: &mut Peekable<impl Iterator<Item = TokenTree>>) -> Found {
    let mut found = Found::Nothing;
    // The two tokens before: visibility and keyword, or less.
    let mut before = [String::new(), String::new()];
    while let Some(token) = tokens.next() {
        let [first, second] = &before;
        let text = match &token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => "()".into(),
            TokenTree::Group(_) => String::new(),
            other => other.to_string(),
        };
        match (second.as_str(), text.as_str()) {
            ("struct", "Migration") => {
                let unit = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ';');
                return match (first.as_str(), unit) {
                    // As in `pub(crate)`.
                    ("pub" | "()", true) => Found::Unit,
                    (_, true) => Found::Private,
                    (_, false) => Found::Fields,
                };
            }
            ("use" | "type" | "static" | "const", _) if first == "pub" => found = Found::Unknown,
            (_, "!") if !matches!(second.as_str(), "#" | "") => found = Found::Unknown,
            _ => {}
        }
        let [_, second] = before;
        before = [second, text];
    }
    found
}
