use std::ops::Range;

use crate::QualifiedName;
use crate::lexer::{Token, TokenKind};
use crate::name::identifier;

/// The tokens of a statement that haven't been looked at.
pub(crate) struct Words<'t, 'a> {
    pub(crate) tokens: &'t [Token<'a>],
}

impl<'t, 'a> Words<'t, 'a> {
    fn next(&mut self) -> Option<&'t Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    pub(crate) fn next_word(&mut self) -> Option<String> {
        let token = self.next()?;
        (token.kind == TokenKind::Word).then(|| token.text.to_ascii_uppercase())
    }

    pub(crate) fn peek_is(&self, word: &str) -> bool {
        self.tokens.first().is_some_and(|token| token.is_word(word))
    }

    pub(crate) fn eat(&mut self, word: &str) -> bool {
        let found = self.peek_is(word);
        if found {
            self.next();
        }
        found
    }

    /// Takes all of these words, or none.
    pub(crate) fn eat_all(&mut self, all: &[&str]) -> bool {
        let found = all.len() <= self.tokens.len()
            && all.iter().zip(self.tokens).all(|(word, token)| token.is_word(word));
        if found {
            self.tokens = self.tokens.get(all.len()..).unwrap_or_default();
        }
        found
    }

    pub(crate) fn eat_symbol(&mut self, symbol: &str) {
        if self.tokens.first().is_some_and(|token| token.is_symbol(symbol)) {
            self.next();
        }
    }

    /// Says where in the text stands what is taken.
    pub(crate) fn place<T>(
        &mut self,
        take: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<(T, Range<usize>)> {
        let before = self.tokens;
        let taken = take(self)?;
        let last = before.len().checked_sub(self.tokens.len())?.checked_sub(1)?;
        Some((taken, before.first()?.start..before.get(last)?.end()))
    }

    /// Takes `a`, `a.b` or `a.b.c`, of which the last two parts count.
    pub(crate) fn qualified_name(&mut self) -> Option<QualifiedName> {
        let mut schema = None;
        let mut name = identifier(self.tokens.first()?)?;
        self.next();
        while let [dot, part, ..] = self.tokens {
            if !dot.is_symbol(".") {
                break;
            }
            schema = Some(std::mem::replace(&mut name, identifier(part)?));
            self.next();
            self.next();
        }
        Some(QualifiedName::new(schema, name))
    }

    /// Takes a list in parentheses.
    pub(crate) fn options(&mut self) -> &'t [Token<'a>] {
        if !self.tokens.first().is_some_and(|token| token.is_symbol("(")) {
            return &[];
        }
        let end = self.tokens.iter().position(|token| token.is_symbol(")")).unwrap_or(self.tokens.len());
        let options = self.tokens.get(1..end).unwrap_or_default();
        self.tokens = self.tokens.get(end.saturating_add(1)..).unwrap_or_default();
        options
    }

    /// What follows the first `word`.
    pub(crate) fn after(&self, word: &str) -> &'t [Token<'a>] {
        let at = self.tokens.iter().position(|token| token.is_word(word)).unwrap_or(self.tokens.len());
        self.tokens.get(at.saturating_add(1)..).unwrap_or_default()
    }

    pub(crate) fn outside_parentheses(&self) -> Vec<&'t Token<'a>> {
        let mut depth = 0_usize;
        let mut outside = Vec::new();
        for token in self.tokens {
            match token.text {
                "(" => depth = depth.saturating_add(1),
                ")" => depth = depth.saturating_sub(1),
                _ if depth == 0 => outside.push(token),
                _ => {}
            }
        }
        outside
    }
}

/// Whether the option is among those of a list, and not switched off there.
pub(crate) fn is_on(options: &[Token<'_>], option: &str) -> bool {
    options.iter().any(|token| token.is_word(option)) && !is_off(options, option)
}

pub(crate) fn is_off(options: &[Token<'_>], option: &str) -> bool {
    let Some(at) = options.iter().position(|token| token.is_word(option)) else { return false };
    let value = options.iter().skip(at.saturating_add(1)).find(|token| !token.is_symbol("="));
    value.is_some_and(|value| {
        let value = value.text.trim_matches('\'');
        ["false", "off", "no", "0"].iter().any(|off| value.eq_ignore_ascii_case(off))
    })
}
