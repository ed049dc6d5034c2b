//! `#[dunlin_backfill::migration]`: parse, check, expand.

mod implementation;

use proc_macro2::TokenStream;
use quote::quote;

use self::implementation::Implementation;
use crate::errors::Errors;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !options.is_empty() {
        let message = "`#[dunlin_backfill::migration]` has no options: remove them, and say in `fn settings` how it should run";
        errors.push(syn::Error::new_spanned(options, message));
    }
    let implementation = errors.take(Implementation::parse(item.clone()));
    let errors = errors.finish().err().map(syn::Error::into_compile_error);
    let migration = implementation.map(|implementation| implementation.migration());
    quote!(#errors #item #migration)
}
