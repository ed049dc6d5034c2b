use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::field::Field;
use super::structure::Structure;

/// The `impl` of `Change`.
pub(super) fn expand(structure: &Structure) -> TokenStream {
    let derived = quote!(::dunlin_backfill::derived);
    let fields = &structure.fields;
    let columns = fields.iter().map(|field| {
        let Field { column, cast, .. } = field;
        let (name, cast, rust) = (column, super::option(cast.as_ref()), field.rust());
        quote!(::dunlin_backfill::ChangeColumn { name: #name, cast: #cast, rust: #rust })
    });
    // Where the type stands, so that the compiler points at it if it can't be written.
    let accepts = fields.iter().enumerate().map(|(index, Field { ty, .. })| {
        let accepts = quote_spanned!(ty.span()=> <#ty as #derived::ChangeValue>::accepts);
        quote!(#index => #accepts(__type),)
    });
    let values = fields.iter().enumerate().map(|(index, Field { name, ty, .. })| {
        let value = quote_spanned!(ty.span()=> <#ty as #derived::ChangeValue>::value);
        quote!(#index => #value(&self.#name),)
    });
    implement(
        structure,
        &quote!(#(#columns),*),
        &quote!(match __column { #(#accepts)* _ => false }),
        &quote!(match __column { #(#values)* _ => #derived::no_column(__column) }),
    )
}

/// The same for a struct whose fields are wrong.
pub(super) fn expand_without_fields(structure: &Structure) -> TokenStream {
    implement(structure, &TokenStream::new(), &quote!(false), &quote!(::core::unreachable!()))
}

fn implement(
    structure: &Structure,
    columns: &TokenStream,
    accepts: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    let derived = quote!(::dunlin_backfill::derived);
    let header = structure.header(&quote!(::dunlin_backfill::Change), |_| quote!(#derived::ChangeValue));
    quote! {
        #header
        {
            const COLUMNS: &'static [::dunlin_backfill::ChangeColumn] = &[#columns];

            fn accepts(__column: ::core::primitive::usize, __type: &#derived::Type) -> ::core::primitive::bool {
                #accepts
            }

            fn value(&self, __column: ::core::primitive::usize) -> &(dyn #derived::ToSql + ::core::marker::Sync) {
                #value
            }
        }
    }
}
