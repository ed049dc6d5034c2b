//! `#[derive(Row)]` and `#[derive(Change)]`: parse, check, expand.

mod change;
mod field;
mod options;
mod row;
mod sql;
mod structure;

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

use self::structure::Structure;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derive {
    Row,
    Change,
}

impl Derive {
    pub(crate) fn expand(self, item: TokenStream) -> TokenStream {
        let (structure, errors) = Structure::parse(self, item);
        let errors = errors.finish().err().map(syn::Error::into_compile_error);
        let implementation = match (self, structure, &errors) {
            (_, None, _) => TokenStream::new(),
            (Self::Row, Some(structure), None) => row::expand(&structure),
            (Self::Change, Some(structure), None) => change::expand(&structure),
            // So that the compiler does not say wherever the type is named that it lacks the trait.
            (Self::Row, Some(structure), Some(_)) => row::expand_without_fields(&structure),
            (Self::Change, Some(structure), Some(_)) => change::expand_without_fields(&structure),
        };
        quote!(#errors #implementation)
    }

    /// What is derived, for messages.
    fn noun(self) -> &'static str {
        match self {
            Self::Row => "a row",
            Self::Change => "a change",
        }
    }

    /// The attribute of fields.
    fn attribute(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Change => "change",
        }
    }

    /// The options of that attribute.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Row => &["column", "sql", "skip"],
            Self::Change => &["column", "cast"],
        }
    }
}

fn option(value: Option<&LitStr>) -> TokenStream {
    match value {
        None => quote!(::core::option::Option::None),
        Some(value) => quote!(::core::option::Option::Some(#value)),
    }
}
