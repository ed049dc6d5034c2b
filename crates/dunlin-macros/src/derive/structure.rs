use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, Fields, Generics, Ident, Item, ItemStruct};

use super::Derive;
use super::field::Field;
use crate::errors::Errors;

/// What a derive stands on.
pub(super) struct Structure {
    pub(super) name: Ident,
    pub(super) fields: Vec<Field>,
    generics: Generics,
}

impl Structure {
    /// Reads the item, and finds everything that is wrong with it. `None` where the trait can't be implemented at all.
    pub(super) fn parse(derive: Derive, item: TokenStream) -> (Option<Self>, Errors) {
        let mut errors = Errors::default();
        let other = |keyword| {
            let message = format!("{} is a struct with named fields: make it one", derive.noun());
            Some(syn::Error::new(keyword, message))
        };
        let (item, wrong) = match errors.take(syn::parse2(item)) {
            Some(Item::Struct(item)) => (Some(item), None),
            Some(Item::Enum(item)) => (None, other(item.enum_token.span)),
            Some(Item::Union(item)) => (None, other(item.union_token.span)),
            // The compiler knows what a derive may stand on.
            _ => (None, None),
        };
        wrong.into_iter().for_each(|error| errors.push(error));
        let structure = item.and_then(|item| Self::check(derive, item, &mut errors));
        (structure, errors)
    }

    /// `impl<...> Trait for Name<...> where ...`. `bound` is what the trait asks of a field's type.
    pub(super) fn header(&self, name: &TokenStream, bound: impl Fn(&Field) -> TokenStream) -> TokenStream {
        let Self { name: this, fields, generics } = self;
        let (parameters, own, clause) = generics.split_for_impl();
        let generic = fields.iter().filter(|field| field.is_generic);
        let bounds = generic.map(|field| {
            let (ty, bound) = (&field.ty, bound(field));
            quote_spanned!(ty.span()=> #ty: #bound)
        });
        // A type without parameters is what it is, and what it lacks is told where it is defined.
        let whole = (!generics.params.is_empty())
            .then(|| quote!(Self: ::core::marker::Send + ::core::marker::Sync + 'static,));
        let predicates = clause.map(|clause| clause.predicates.iter()).into_iter().flatten();
        quote! {
            #[automatically_derived]
            impl #parameters #name for #this #own
            where
                #(#predicates,)*
                #whole
                #(#bounds,)*
        }
    }

    fn check(derive: Derive, item: ItemStruct, errors: &mut Errors) -> Option<Self> {
        let noun = derive.noun();
        check_attributes(derive, &item.attrs, errors);
        let lifetimes: Vec<_> = item.generics.lifetimes().collect();
        for parameter in &lifetimes {
            let message =
                format!("{noun} owns what it holds: remove the lifetime, and use types as `String`");
            errors.push(syn::Error::new(parameter.lifetime.span(), message));
        }
        let mut fields = Vec::new();
        match &item.fields {
            Fields::Named(named) if named.named.is_empty() && derive == Derive::Change => {
                errors.push(syn::Error::new(item.ident.span(), NO_CHANGE));
            }
            Fields::Named(named) => {
                let parse = |field| Field::parse(derive, field, &item.generics, errors);
                fields = named.named.iter().filter_map(parse).collect();
            }
            Fields::Unnamed(unnamed) => {
                let message = format!("the fields of {noun} have the names of columns: write them in braces");
                errors.push(syn::Error::new(unnamed.paren_token.span.open(), message));
            }
            Fields::Unit if derive == Derive::Change => {
                errors.push(syn::Error::new(item.ident.span(), NO_CHANGE));
            }
            Fields::Unit => {
                let message =
                    format!("a row that reads nothing has braces: write `struct {} {{}}`", item.ident);
                errors.push(syn::Error::new(item.ident.span(), message));
            }
        }
        check_duplicates(derive, &fields, errors);
        lifetimes.is_empty().then_some(Self { name: item.ident, fields, generics: item.generics })
    }
}

const NO_CHANGE: &str =
    "a change has fields, those that are written: a backfill that deletes has `type Change = ();`";

/// The attribute is one of fields.
fn check_attributes(derive: Derive, attributes: &[Attribute], errors: &mut Errors) {
    let name = derive.attribute();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
        let message = format!("`#[{name}]` goes on a field: move it there");
        errors.push(syn::Error::new_spanned(attribute, message));
    }
}

/// A column may be read into two fields, but not written from two.
fn check_duplicates(derive: Derive, fields: &[Field], errors: &mut Errors) {
    if derive == Derive::Row {
        return;
    }
    for (place, field) in fields.iter().enumerate() {
        if fields.iter().take(place).any(|before| before.column == field.column) {
            let message = format!("the column `{}` is written by two fields: remove one", field.column);
            errors.push(syn::Error::new(field.column_span, message));
        }
    }
}
