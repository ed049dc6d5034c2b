use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::{GenericParam, Generics, Ident, LitStr, Type};

use super::Derive;
use super::options::Options;
use crate::errors::Errors;

/// A field of what a derive stands on, with what its attributes say.
pub(super) struct Field {
    pub(super) name: Ident,
    pub(super) ty: Type,
    /// The name of the column, or of the field where it is an expression.
    pub(super) column: String,
    pub(super) column_span: Span,
    pub(super) sql: Option<LitStr>,
    pub(super) cast: Option<LitStr>,
    pub(super) is_skipped: bool,
    /// Whether a parameter of the struct is in its type.
    pub(super) is_generic: bool,
}

impl Field {
    pub(super) fn parse(
        derive: Derive,
        field: &syn::Field,
        generics: &Generics,
        errors: &mut Errors,
    ) -> Option<Self> {
        let name = field.ident.clone()?;
        let Options { column, sql, cast, skip } = Options::parse(derive, &field.attrs, errors);
        let (column, column_span) = match column {
            Some(column) => (column.value(), column.span()),
            None => (name.unraw().to_string(), name.span()),
        };
        let reads_column = sql.is_none() && skip.is_none();
        if reads_column {
            errors.take(check_column(derive, &column, column_span));
        }
        // With a lifetime of its own the struct is refused already.
        if let (Derive::Row, Type::Reference(reference), None, None) =
            (derive, &field.ty, &skip, generics.lifetimes().next())
        {
            let message = "a row owns what it holds: remove the `&`, and use a type as `String` or `Vec<u8>`";
            errors.push(syn::Error::new(reference.and_token.span, message));
        }
        let is_generic = generics.params.iter().any(|parameter| match parameter {
            GenericParam::Type(parameter) => mentions(field.ty.to_token_stream(), &parameter.ident),
            GenericParam::Const(parameter) => mentions(field.ty.to_token_stream(), &parameter.ident),
            GenericParam::Lifetime(_) => false,
        });
        let (ty, is_skipped) = (field.ty.clone(), skip.is_some());
        Some(Self { name, ty, column, column_span, sql, cast, is_skipped, is_generic })
    }

    /// The type as people write it.
    pub(super) fn rust(&self) -> String {
        let mut text = self.ty.to_token_stream().to_string();
        for (spaced, tight) in [
            (" :: ", "::"),
            (":: ", "::"),
            (" < ", "<"),
            ("< ", "<"),
            (" >", ">"),
            (" ,", ","),
            (" ;", ";"),
            ("& ", "&"),
            ("( ", "("),
            (" )", ")"),
            ("[ ", "["),
            (" ]", "]"),
        ] {
            text = text.replace(spaced, tight);
        }
        text
    }
}

/// Whether a name can be that of a column.
fn check_column(derive: Derive, name: &str, span: Span) -> syn::Result<()> {
    let attribute = derive.attribute();
    let message = if name.is_empty() {
        "a column has a name: write it, or remove `column`, and the name is that of the field".to_owned()
    } else if name.len() > MAX_BYTES {
        format!(
            "a name of PostgreSQL has at most {MAX_BYTES} bytes, and this has {}: name the column as it is in the \
             database, in `#[{attribute}(column = \"...\")]`",
            name.len()
        )
    } else if name.contains('\0') {
        "a name of PostgreSQL has no NUL: remove it".to_owned()
    } else if name.len() > 1 && name.starts_with('"') && name.ends_with('"') {
        "the name of a column is written as it is, without quotes of SQL: remove them".to_owned()
    } else {
        return Ok(());
    };
    Err(syn::Error::new(span, message))
}

/// What fits a `name` of PostgreSQL.
const MAX_BYTES: usize = 63;

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
