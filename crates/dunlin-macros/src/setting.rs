use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitInt, LitStr, Token, parenthesized, token};

/// One option as it is written: `name`, `name = value` or `name(value, value)`.
pub(crate) struct Setting {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    None,
    One(Expr),
    List(Vec<Expr>),
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let usage =
            "an option is written as in `migrations = \"db/migrations\"` or `fixtures(\"users.sql\")`";
        if !input.peek(Ident::peek_any) {
            return Err(input.error(usage));
        }
        let name = input.call(Ident::parse_any)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Value::One(ungroup(input.parse()?))
        } else if input.peek(token::Paren) {
            let list;
            parenthesized!(list in input);
            let list = Punctuated::<Expr, Token![,]>::parse_terminated(&list)?;
            Value::List(list.into_iter().map(ungroup).collect())
        } else if input.is_empty() || input.peek(Token![,]) {
            Value::None
        } else {
            return Err(syn::Error::new(name.span(), usage));
        };
        Ok(Self { name, value })
    }
}

impl Setting {
    /// The value of `name = value`. `example` is how that looks.
    pub(crate) fn one(self, example: &str) -> syn::Result<Expr> {
        match self.value {
            Value::One(value) => Ok(value),
            Value::None | Value::List(_) => Err(self.misshapen(example)),
        }
    }

    /// The values of `name(value, ...)`, at least one.
    pub(crate) fn list(self, example: &str) -> syn::Result<Vec<Expr>> {
        match self.value {
            Value::List(list) if !list.is_empty() => Ok(list),
            Value::List(_) | Value::None | Value::One(_) => Err(self.misshapen(example)),
        }
    }

    fn misshapen(&self, example: &str) -> syn::Error {
        syn::Error::new(self.name.span(), format!("`{}` is written as in `{example}`", self.name))
    }
}

/// The value of a string literal.
pub(crate) fn string(value: Expr, otherwise: &str) -> syn::Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(string), .. }) => Ok(string),
        other => Err(syn::Error::new_spanned(other, otherwise)),
    }
}

/// The value of an integer literal.
pub(crate) fn integer(value: &Expr, otherwise: &str) -> syn::Result<LitInt> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(integer), .. }) => Ok(integer.clone()),
        other => Err(syn::Error::new_spanned(other, otherwise)),
    }
}

/// What a `macro_rules!` macro hands on comes in an invisible group.
fn ungroup(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => ungroup(*group.expr),
        other => other,
    }
}
