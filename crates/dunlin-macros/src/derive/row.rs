use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::field::Field;
use super::structure::Structure;

/// The `impl` of `Row`.
pub(super) fn expand(structure: &Structure) -> TokenStream {
    let derived = quote!(::dunlin_backfill::derived);
    let read: Vec<&Field> = structure.fields.iter().filter(|field| !field.is_skipped).collect();
    let columns = read.iter().map(|field| {
        let Field { column, sql, .. } = field;
        let (name, sql, rust) = (column, super::option(sql.as_ref()), field.rust());
        quote!(::dunlin_backfill::RowColumn { name: #name, sql: #sql, rust: #rust })
    });
    // Where the type stands, so that the compiler points at it if it can't be read.
    let accepts = read.iter().enumerate().map(|(index, Field { ty, .. })| {
        let accepts = quote_spanned!(ty.span()=> <#ty as #derived::RowValue>::accepts);
        quote!(#index => #accepts(__type),)
    });
    let mut index = 0usize..;
    let fields = structure.fields.iter().map(|Field { name, ty, is_skipped, .. }| {
        if *is_skipped {
            let default = quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default());
            return quote!(#name: #default,);
        }
        let index = index.next();
        let read = quote_spanned!(ty.span()=> <#ty as #derived::RowValue>::read);
        quote!(#name: #read(__row, __first + #index)?,)
    });
    implement(
        structure,
        &quote!(#(#columns),*),
        &quote!(match __column { #(#accepts)* _ => false }),
        &quote!(::core::result::Result::Ok(Self { #(#fields)* })),
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
    read: &TokenStream,
) -> TokenStream {
    let derived = quote!(::dunlin_backfill::derived);
    let header = structure.header(&quote!(::dunlin_backfill::Row), |field| {
        if field.is_skipped { quote!(::core::default::Default) } else { quote!(#derived::RowValue) }
    });
    quote! {
        #header
        {
            const COLUMNS: &'static [::dunlin_backfill::RowColumn] = &[#columns];

            fn accepts(__column: ::core::primitive::usize, __type: &#derived::Type) -> ::core::primitive::bool {
                #accepts
            }

            fn read(
                __row: &#derived::SqlRow,
                __first: ::core::primitive::usize,
            ) -> ::core::result::Result<Self, #derived::SqlError> {
                #read
            }
        }
    }
}
