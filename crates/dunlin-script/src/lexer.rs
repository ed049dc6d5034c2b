use squawk_lexer::{LiteralKind, TokenKind as Raw, tokenize};

/// A token of PostgreSQL's scanner, a comment or white space. Together they are the whole text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'a str,
    /// In bytes from the start of the text.
    pub(crate) start: usize,
}

impl Token<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start.saturating_add(self.text.len())
    }

    /// Whether the server would see this token.
    pub(crate) fn is_significant(&self) -> bool {
        !matches!(self.kind, TokenKind::Space | TokenKind::LineComment | TokenKind::BlockComment)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == TokenKind::Symbol && self.text == symbol
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Space,
    LineComment,
    BlockComment,
    /// A keyword or a name without quotes.
    Word,
    /// `"name"`, or `U&"name"`.
    QuotedName,
    /// A string of any kind, dollar quotes included.
    Literal,
    /// A string that PostgreSQL glues to the one before it, because only white space with a line end is between them.
    Continuation,
    /// A number or a parameter.
    Number,
    /// An operator or a punctuation mark.
    Symbol,
    /// A backslash outside of quotes and what follows on its line: psql would take it as a command.
    Meta,
    Unterminated(Construct),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Construct {
    Comment,
    DollarQuote,
    Name,
    String,
}

/// Puts PostgreSQL's tokens together from squawk-lexer's, which cuts operators into characters and doesn't know psql's
/// commands or strings that go on after a line end.
///
/// The tokens checksum is stored in databases: a change here that moves the border between two tokens makes migrations
/// that were applied long ago look edited.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    raw: Box<dyn Iterator<Item = squawk_lexer::Token> + 'a>,
    open: Option<OpenString>,
}

/// A string that the next token may continue.
#[derive(Clone, Copy)]
struct OpenString {
    backslashes: bool,
    line_ended: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self::from(text, 0)
    }

    /// Goes on from another place in the text.
    pub(crate) fn seek(&mut self, at: usize) {
        *self = Self::from(self.text, at);
    }

    fn from(text: &'a str, at: usize) -> Self {
        let raw = Box::new(tokenize(text.get(at..).unwrap_or_default()));
        Self { text, at, raw, open: None }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Cuts `length` bytes off, for which the raw tokens have been taken already.
    fn cut(&mut self, length: usize, kind: TokenKind) -> Token<'a> {
        let start = self.at;
        let text = self.rest().get(..length).unwrap_or_else(|| self.rest());
        self.at = start.saturating_add(text.len());
        Token { kind, text, start }
    }

    fn symbol(&mut self, length: usize) -> Token<'a> {
        // Every character of an operator is a raw token of its own; the first one is taken.
        for _ in 1..length {
            self.raw.next();
        }
        self.cut(length, TokenKind::Symbol)
    }

    fn string(&mut self, length: usize, literal: LiteralKind) -> Token<'a> {
        let continues =
            self.open.filter(|open| open.line_ended && matches!(literal, LiteralKind::Str { .. }));
        let backslashes = matches!(literal, LiteralKind::EscStr { .. });
        let (kind, terminated) = match continues {
            // The escapes of E'' are in force in the strings that continue it.
            Some(OpenString { backslashes: true, .. }) => {
                let end = end_of_escaped(self.rest());
                let token = self.cut(end.unwrap_or(usize::MAX), TokenKind::Continuation);
                let at = self.at;
                self.seek(at);
                self.open = Some(OpenString { backslashes: true, line_ended: false });
                return match end {
                    Some(_) => token,
                    None => Token { kind: TokenKind::Unterminated(Construct::String), ..token },
                };
            }
            Some(_) => (TokenKind::Continuation, is_terminated(literal)),
            None => (TokenKind::Literal, is_terminated(literal)),
        };
        self.open = (!matches!(literal, LiteralKind::DollarQuotedString { .. }))
            .then_some(OpenString { backslashes, line_ended: false });
        match terminated {
            true => self.cut(length, kind),
            false if matches!(literal, LiteralKind::DollarQuotedString { .. }) => {
                self.cut(length, TokenKind::Unterminated(Construct::DollarQuote))
            }
            false => self.cut(length, TokenKind::Unterminated(Construct::String)),
        }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let raw = self.raw.next()?;
        let length = usize::try_from(raw.len).unwrap_or(usize::MAX);
        let (kind, open) = match raw.kind {
            Raw::Eof => return None,
            // The raw lexer takes it for white space wherever it begins, and it has begun anew after a `seek`.
            Raw::Whitespace if self.at > 0 && self.rest().starts_with('\u{feff}') => (TokenKind::Word, None),
            Raw::Whitespace => {
                let space = self.cut(length, TokenKind::Space);
                let line_ended = space.text.contains(['\n', '\r']);
                if let Some(open) = &mut self.open {
                    open.line_ended |= line_ended;
                }
                return Some(space);
            }
            Raw::LineComment => (TokenKind::LineComment, self.open),
            Raw::BlockComment { terminated: true } => (TokenKind::BlockComment, None),
            Raw::BlockComment { terminated: false } => (TokenKind::Unterminated(Construct::Comment), None),
            Raw::QuotedIdent { terminated: true, .. } => (TokenKind::QuotedName, None),
            Raw::QuotedIdent { terminated: false, .. } => (TokenKind::Unterminated(Construct::Name), None),
            Raw::Ident => (TokenKind::Word, None),
            Raw::PositionalParam { .. } => (TokenKind::Number, None),
            Raw::Literal { kind: LiteralKind::Int { .. } | LiteralKind::Numeric { .. } } => {
                (TokenKind::Number, None)
            }
            Raw::Literal { kind } => return Some(self.string(length, kind)),
            _ => {
                self.open = None;
                return Some(match self.rest().as_bytes() {
                    [b'\\', ..] => {
                        let line = self.rest().lines().next().map_or(length, str::len);
                        let meta = self.cut(line, TokenKind::Meta);
                        let at = self.at;
                        self.seek(at);
                        meta
                    }
                    [b':', b':' | b'=', ..] => self.symbol(2),
                    _ => match operator(self.rest()) {
                        0 => self.cut(length, TokenKind::Symbol),
                        operator => self.symbol(operator),
                    },
                });
            }
        };
        self.open = open;
        Some(self.cut(length, kind))
    }
}

fn is_terminated(literal: LiteralKind) -> bool {
    match literal {
        LiteralKind::Int { .. } | LiteralKind::Numeric { .. } => true,
        LiteralKind::Str { terminated }
        | LiteralKind::EscStr { terminated }
        | LiteralKind::NationalStr { terminated }
        | LiteralKind::ByteStr { terminated }
        | LiteralKind::BitStr { terminated }
        | LiteralKind::DollarQuotedString { terminated }
        | LiteralKind::UnicodeEscStr { terminated } => terminated,
    }
}

/// The length of the operator that the text begins with, by the rules of PostgreSQL's `scan.l`: as long as possible, no
/// comment in it, and no `+` or `-` at its end unless a character that no SQL operator has comes before
/// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-OPERATORS>).
fn operator(text: &str) -> usize {
    let all = text.find(|c| !"~!@#^&|`?+-*/%<>=".contains(c)).unwrap_or(text.len());
    let run = text.get(..all).unwrap_or_default();
    let run = ["--", "/*"].iter().fold(run, |run, comment| run.split(comment).next().unwrap_or_default());
    match run.trim_end_matches(['+', '-']) {
        signs if signs.len() == run.len() || run.contains(|c| "~!@#^&|`?%".contains(c)) => run.len(),
        "" => 1,
        operator => operator.len(),
    }
}

/// The length of a quoted string with backslash escapes.
fn end_of_escaped(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => {
                characters.next();
            }
            '\'' if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
            }
            '\'' => return Some(at.saturating_add(1)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn significant(text: &str) -> Vec<&str> {
        Lexer::new(text).filter(Token::is_significant).map(|token| token.text).collect()
    }

    fn kinds(text: &str) -> Vec<TokenKind> {
        Lexer::new(text).filter(Token::is_significant).map(|token| token.kind).collect()
    }

    #[test]
    fn operators_end_where_postgresql_ends_them() {
        assert_eq!(significant("a=-1"), ["a", "=", "-", "1"]);
        assert_eq!(significant("a @-1"), ["a", "@-", "1"]);
        assert_eq!(significant("a<=b<>c!=d"), ["a", "<=", "b", "<>", "c", "!=", "d"]);
        assert_eq!(significant("a=+-1"), ["a", "=", "+", "-", "1"]);
        assert_eq!(significant("a::int[1:-2]"), ["a", "::", "int", "[", "1", ":", "-", "2", "]"]);
        assert_eq!(significant("x:=-1"), ["x", ":=", "-", "1"]);
        assert_eq!(significant("a->>'b'"), ["a", "->>", "'b'"]);
        assert_eq!(significant("2*/* c */3"), ["2", "*", "3"]);
        assert_eq!(significant("2+--c\n3"), ["2", "+", "3"]);
        assert_eq!(significant("- -1"), ["-", "-", "1"]);
        assert_eq!(significant("f(a=>1)"), ["f", "(", "a", "=>", "1", ")"]);
    }

    #[test]
    fn strings_end_where_postgresql_ends_them() {
        assert_eq!(significant(r"E'a\'b' c"), [r"E'a\'b'", "c"]);
        assert_eq!(significant(r"'a\' c"), [r"'a\'", "c"]);
        assert_eq!(significant("$f$ a $foo$ $$ ' $f$ b"), ["$f$ a $foo$ $$ ' $f$", "b"]);
        assert_eq!(significant("$foo$abcfoo$def$foo$"), ["$foo$abcfoo$def$foo$"]);
        assert_eq!(significant("a$$b $1"), ["a$$b", "$1"]);
        assert_eq!(significant("\"a\"\"b;\" U&\"x\" B'1' X'F' U&'\\0041' N'n'").len(), 6);
        assert_eq!(significant("größe 名前"), ["größe", "名前"]);
    }

    #[test]
    fn a_string_goes_on_after_a_line_end() {
        use TokenKind::{Continuation, Literal, Symbol};
        assert_eq!(kinds("'a'\n'b'"), [Literal, Continuation]);
        assert_eq!(kinds("'a' -- c\n  'b'\n'c'"), [Literal, Continuation, Continuation]);
        assert_eq!(kinds("'a' 'b'"), [Literal, Literal]);
        assert_eq!(kinds("'a' /* c */\n'b'"), [Literal, Literal]);
        assert_eq!(kinds("'a'\nE'b'"), [Literal, Literal]);
        assert_eq!(kinds("$$a$$\n'b'"), [Literal, Literal]);
        assert_eq!(kinds("'a',\n'b'"), [Literal, Symbol, Literal]);
        assert_eq!(significant("E'a'\n'b\\'c' d"), ["E'a'", "'b\\'c'", "d"]);
        assert_eq!(significant("E'a'\n'b'\n'\\'' d"), ["E'a'", "'b'", "'\\''", "d"]);
    }

    #[test]
    fn a_byte_order_mark_inside_a_text_is_a_letter() {
        use TokenKind::{Continuation, Literal, Word};
        assert_eq!(kinds("\u{feff}a"), [Word]);
        assert_eq!(kinds("E'a'\n'b'\u{feff}"), [Literal, Continuation, Word]);
    }

    #[test]
    fn what_is_never_closed_is_known() {
        use TokenKind::{Unterminated, Word};
        assert_eq!(kinds("a 'b"), [Word, Unterminated(Construct::String)]);
        assert_eq!(kinds("a \"b"), [Word, Unterminated(Construct::Name)]);
        assert_eq!(kinds("a $x$ b $y$"), [Word, Unterminated(Construct::DollarQuote)]);
        assert_eq!(kinds("a /* /* */"), [Word, Unterminated(Construct::Comment)]);
        assert_eq!(kinds(r"E'b\'")[0], Unterminated(Construct::String));
        assert_eq!(kinds("E'a'\n'b\\'")[1], Unterminated(Construct::String));
    }

    #[test]
    fn a_psql_command_ends_with_its_line() {
        assert_eq!(significant("\\echo it's\nselect 1"), ["\\echo it's", "select", "1"]);
    }

    proptest! {
        #[test]
        fn the_tokens_are_the_whole_text(text in "([-+*/<>=~!@:.'\"$\\\\ab1E \n\r();é{}]|--|/\\*|\\*/|\\$\\$){0,40}") {
            let text = text.trim_start_matches('\u{feff}');
            let mut at = 0;
            for token in Lexer::new(text) {
                prop_assert_eq!(token.start, at);
                prop_assert!(!token.text.is_empty());
                at = token.end();
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
