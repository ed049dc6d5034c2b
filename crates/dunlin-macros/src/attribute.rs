//! `#[dunlin::test]`: parse, check, expand.

mod expansion;
mod fixture;
mod function;
mod options;

use proc_macro2::TokenStream;
use quote::quote;

use self::expansion::Expansion;
use self::function::Function;
use self::options::Options;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = Options::parse(options);
    let (function, options) = match (Function::parse(item.clone()), options) {
        (Ok(function), Ok(options)) => (function, options),
        // The function stays, so that an editor knows it while its attribute is being written.
        (Ok(_), Err(error)) => {
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
        (Err(error), Ok(_)) => return error.into_compile_error(),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            return error.into_compile_error();
        }
    };
    Expansion::new(&function, &options)
        .map_or_else(syn::Error::into_compile_error, |expansion| expansion.into_tokens())
}
