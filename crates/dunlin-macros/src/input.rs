use proc_macro::{Delimiter, Span, TokenStream, TokenTree};

use crate::mistake::Mistake;

const USAGE: &str = "`embed!` takes the path of a folder as a string, as in `embed!(\"migrations\")`";

/// The folder that `embed!` is given, as it was written.
pub(crate) struct Input {
    pub(crate) folder: String,
    pub(crate) span: Span,
}

impl Input {
    pub(crate) fn parse(input: TokenStream) -> Result<Self, Mistake> {
        let mut tokens = input.into_iter();
        let first = tokens.next().ok_or_else(|| Mistake::new(Span::call_site(), USAGE))?;
        let literal = match first {
            // What a `macro_rules!` macro hands on comes in an invisible group.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                return Self::parse(group.stream());
            }
            TokenTree::Literal(literal) => literal,
            other => return Err(Mistake::new(other.span(), USAGE)),
        };
        let span = literal.span();
        let folder = string(&literal.to_string()).ok_or_else(|| Mistake::new(span, USAGE))?;
        let comma = |token: &TokenTree| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',');
        if let Some(more) =
            tokens.enumerate().find_map(|(at, token)| (at > 0 || !comma(&token)).then_some(token))
        {
            return Err(Mistake::new(more.span(), USAGE));
        }
        if folder.is_empty() || folder.contains('\\') || std::path::Path::new(&folder).is_absolute() {
            let message = "the path of the folder is relative to the folder of Cargo.toml, and written with `/`: as in \
                           `embed!(\"migrations\")`";
            return Err(Mistake::new(span, message));
        }
        Ok(Self { folder, span })
    }
}

/// The value of a string literal. `None` for other literals.
fn string(literal: &str) -> Option<String> {
    let quoted = |text: &str| Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    match literal.strip_prefix('r') {
        Some(raw) => quoted(raw.trim_matches('#')),
        // Paths with other escapes are refused for their backslash.
        None => quoted(literal),
    }
}
