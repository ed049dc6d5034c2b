//! `#[dunlin::test]`: parse, check, expand.

mod expansion;
mod fixture;
mod function;
mod options;
mod setting;

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

/// Every error in one, in the order in which they are found.
#[derive(Default)]
struct Errors(Option<syn::Error>);

impl Errors {
    fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value, if there was no error and it could be had.
    fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
