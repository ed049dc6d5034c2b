use std::env;
use std::path::Path;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, LitStr, Type};

use super::fixture::Fixture;
use super::function::Function;
use super::options::{Flavor, Migrations, Options};

/// What the function becomes: a `#[test]` that holds it, and runs it with `dunlin_test::attribute`.
pub(super) struct Expansion<'a> {
    function: &'a Function,
    options: &'a Options,
}

impl<'a> Expansion<'a> {
    /// Brings the two together, if they fit.
    pub(super) fn new(function: &'a Function, options: &'a Options) -> syn::Result<Self> {
        if function.arguments().next().is_none() {
            if let Some(idle) = options.of_database.first() {
                let message = format!(
                    "the test asks for no database, so `{idle}` does nothing: add an argument, as `client: \
                     tokio_postgres::Client` (with rstest, `#[ignore] client: tokio_postgres::Client`), or remove it"
                );
                return Err(syn::Error::new(idle.span(), message));
            }
        } else if options.migrations.is_none() {
            let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
            if !Path::new(&package).join("migrations").is_dir() {
                let message = "there is no folder `migrations` beside Cargo.toml: say which migrations the test needs, as \
                               in `#[dunlin::test(migrations = \"db/migrations\")]` or `#[dunlin::test(migrations = \
                               crate::migrations())]`";
                return Err(syn::Error::new(Span::call_site(), message));
            }
        }
        Ok(Self { function, options })
    }

    pub(super) fn into_tokens(self) -> TokenStream {
        let Function { attributes, visibility, signature, body } = self.function;
        let name = self.function.name();
        let (flavor, passes, test) = (self.flavor(), self.passes(), self.test());
        let output = match self.function.output() {
            None => quote!(()),
            // It can't be named there; the compiler finds out.
            Some(Type::ImplTrait(_)) => quote!(_),
            Some(output) => quote!(#output),
        };
        let run = quote!(__dunlin_test::run::<#output>(#flavor, #passes, #test));
        // `#[should_panic]` wants a test that returns nothing.
        let (result, run) = match self.function.output() {
            None => (quote!(), quote!(#run;)),
            Some(_) => (quote!(-> ::std::process::ExitCode), run),
        };
        quote! {
            #(#attributes)*
            #[::core::prelude::v1::test]
            #visibility fn #name() #result {
                use ::dunlin_test::__private as __dunlin_test;
                // It has to be `async`, whether or not it waits for anything.
                #[allow(clippy::unused_async)]
                #signature #body
                #run
            }
        }
    }

    /// The future of the test.
    fn test(&self) -> TokenStream {
        let name = self.function.name();
        let types = self.function.arguments().map(|argument| &argument.ty);
        let call = quote!(#name(#(__dunlin_test::argument::<#types>(&__database).await?),*).await);
        // Code behind a call that does not return is warned about.
        let end = if self.function.is_endless() { call } else { quote!(::core::result::Result::Ok(#call)) };
        if self.function.arguments().next().is_none() {
            return quote!(async { #end });
        }
        let database = self.database();
        quote! {
            async {
                let __database = #database.await?;
                #end
            }
        }
    }

    /// The future of its database.
    fn database(&self) -> TokenStream {
        let migrations = match &self.options.migrations {
            None => {
                let folder = LitStr::new("migrations", Span::call_site());
                quote!(&::dunlin::embed!(#folder))
            }
            Some(Migrations::Folder(folder)) => quote!(&::dunlin::embed!(#folder)),
            Some(Migrations::Value(value)) => reference(value),
        };
        let at = match &self.options.at {
            None => quote!(::core::option::Option::None),
            Some(at) => quote!(::core::option::Option::Some(__dunlin_test::at(#at))),
        };
        let fixtures = self
            .options
            .fixtures
            .iter()
            .map(|Fixture { name, path }| quote!((#name, ::core::include_str!(#path))));
        quote!(__dunlin_test::database(__dunlin_test::migrations(#migrations)?, #at, &[#(#fixtures),*]))
    }

    fn flavor(&self) -> TokenStream {
        match self.options.flavor {
            Flavor::CurrentThread => quote!(__dunlin_test::Flavor::CurrentThread),
            Flavor::MultiThread { workers } => {
                let workers = option(workers);
                quote!(__dunlin_test::Flavor::MultiThread(#workers))
            }
        }
    }

    fn passes(&self) -> TokenStream {
        match self.function.should_panic() {
            None => quote!(__dunlin_test::Passes::ByReturning),
            Some(expected) => {
                let expected = option(expected);
                quote!(__dunlin_test::Passes::ByPanicking { expected: #expected })
            }
        }
    }
}

/// `&value`, which the compiler takes to stand where the value stands if it begins there.
fn reference(value: &Expr) -> TokenStream {
    match value {
        Expr::Call(_)
        | Expr::Field(_)
        | Expr::Macro(_)
        | Expr::MethodCall(_)
        | Expr::Path(_)
        | Expr::Reference(_)
        | Expr::Unary(_) => quote_spanned!(value.span()=> &#value),
        _ => quote!(&(#value)),
    }
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        None => quote!(::core::option::Option::None),
        Some(value) => quote!(::core::option::Option::Some(#value)),
    }
}
