use std::error::Error;
use std::fmt;
use std::str::FromStr;

use hmac_sha256::Hash as Sha256;

use crate::lexer::{Lexer, Token, TokenKind};
use crate::normalize;

/// The two checksums of a script: `raw` sees every change, `tokens` those that change what the script does.
///
/// - **`raw`** is the SHA-256 of the [normalised](crate::normalize) text: a byte order mark and CR LF don't count.
/// - **`tokens`** is the SHA-256 of the tokens that PostgreSQL's scanner would find. It ignores exactly comments and white
///   space outside literals: `a , b` is `a,b`, but `a b` is not `ab` and `- -1` is not `--1`. What is inside strings, dollar
///   quotes and quoted names counts, to the last space. So does upper and lower case.
///
/// White space has a meaning in one place: `'a'` and `'b'` on two lines are one string, on one line they are two. Both are told
/// apart, however many lines and line comments are between them.
///
/// Directives are comments, and so not part of `tokens`: a lock timeout that was tuned later, or a `no-transaction` that became
/// unnecessary, doesn't change what an applied migration did. They are part of `raw`.
///
/// # Example
///
/// ```
/// use dunlin_script::Checksums;
///
/// let before = Checksums::of("SELECT 1, 'a b';");
/// let after = Checksums::of("-- the answer\r\nSELECT\r\n    1 , 'a b' ;");
/// assert_eq!(before.tokens(), after.tokens());
/// assert_ne!(before.raw(), after.raw());
/// assert_ne!(before.tokens(), Checksums::of("SELECT 1, 'a  b';").tokens());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checksums {
    raw: Digest,
    tokens: Digest,
}

/// A SHA-256 digest. Its text, `sha256:` and 64 hexadecimal digits, names the algorithm, so that it can be replaced one day.
///
/// # Example
///
/// ```
/// use dunlin_script::{Checksums, Digest};
///
/// let digest = Checksums::of("SELECT 1").raw();
/// assert!(digest.to_string().starts_with("sha256:"));
/// assert_eq!(digest.to_string().parse::<Digest>()?, digest);
/// # Ok::<(), dunlin_script::DigestError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not a [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestError(());

impl Checksums {
    /// Computes both checksums. The text need not be normalised, nor be SQL that makes sense.
    pub fn of(text: &str) -> Self {
        let text = normalize(text);
        Self::of_tokens(&text, Lexer::new(&text))
    }

    /// Computes both checksums of a normalised text whose tokens are known.
    pub(crate) fn of_tokens<'a>(text: &str, tokens: impl Iterator<Item = Token<'a>>) -> Self {
        Self { raw: Digest::of(text.as_bytes()), tokens: digest_of_tokens(tokens) }
    }

    /// The checksum of the text.
    pub fn raw(&self) -> Digest {
        self.raw
    }

    /// The checksum of the tokens.
    pub fn tokens(&self) -> Digest {
        self.tokens
    }
}

impl Digest {
    const TAG: &'static str = "sha256:";

    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::hash(bytes))
    }

    /// Makes a digest of the bytes that [`as_bytes`](Self::as_bytes) gave.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::TAG)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix(Self::TAG).ok_or(DigestError(()))?;
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(DigestError(()));
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let from = at.saturating_mul(2);
            let digits = hex.get(from..from.saturating_add(2)).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(|_| DigestError(()))?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a checksum is `sha256:` and 64 hexadecimal digits")
    }
}

impl Error for DigestError {}

/// Hashes the tokens, each with an end that no UTF-8 has in it, so that no two sequences of tokens hash the same bytes.
fn digest_of_tokens<'a>(tokens: impl Iterator<Item = Token<'a>>) -> Digest {
    let mut bytes = b"dunlin tokens 1\n".to_vec();
    for token in tokens.filter(Token::is_significant) {
        if token.kind == TokenKind::Continuation {
            bytes.push(0xfe);
        }
        bytes.extend_from_slice(token.text.as_bytes());
        bytes.push(0xff);
    }
    Digest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Digest {
        Checksums::of(text).tokens()
    }

    #[test]
    fn digests_are_what_is_stored_in_databases() {
        // Never to be changed: histories hold them.
        let checksums = Checksums::of(
            "SELECT a=-1, 'x'\n'y', E'\\'', $$ z $$ -- c\nFROM \"T\" WHERE $1 ->> 1.5 <> 0x1F;\n",
        );
        insta::assert_snapshot!(checksums.raw(), @"sha256:d4134b06c4df94924c9858fa5fb3d24000296785ec9129322dcf85539c9b72de");
        insta::assert_snapshot!(checksums.tokens(), @"sha256:669470689945298d1ff7d19933fa3cafb258884a88958e8151d921da72a60d2a");
    }

    #[test]
    fn comments_and_white_space_do_not_count() {
        for (one, other) in [
            ("a , b", "a,b"),
            ("a=-1", "a = - 1"),
            ("select 1", "/* a /* b */ */ select--c\n\t1\u{c}"),
            ("f(x)", "f ( x )"),
            ("'a'\n'b'", "'a' \n -- c\n\n  'b'"),
            ("a\r\nb", "a\nb"),
            ("\u{feff}a", "a"),
            ("x::int", "x :: int"),
            ("date'x'", "date 'x'"),
        ] {
            assert_eq!(tokens(one), tokens(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn everything_else_counts() {
        for (one, other) in [
            ("a b", "ab"),
            ("- -1", "--1"),
            ("- - 1", "-- 1\n"),
            ("'a' 'b'", "'a'\n'b'"),
            ("'a'\n'b'", "'ab'"),
            ("'a b'", "'a  b'"),
            ("'a -- b'", "'a'"),
            ("$$ a $$", "$$a$$"),
            ("\"a b\"", "\"a  b\""),
            ("SELECT", "select"),
            ("a < = b", "a <= b"),
            ("a : : b", "a::b"),
            ("a;", "a"),
            ("e 'a'", "e'a'"),
            ("1 2", "12"),
        ] {
            assert_ne!(tokens(one), tokens(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_digest_is_read_back() {
        let digest = tokens("a");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in [
            "",
            "sha256:",
            "md5:00",
            &digest.to_string()[7..],
            &format!("{digest}0"),
            &format!("sha256:{}", "é".repeat(32)),
        ] {
            assert_eq!(wrong.parse::<Digest>(), Err(DigestError(())), "{wrong}");
        }
    }
}
