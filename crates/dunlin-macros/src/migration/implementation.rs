use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Generics, Ident, Meta, Path, Token, Type};

/// The `impl Backfill for ...` that `#[dunlin_backfill::migration]` stands on.
pub(super) struct Implementation {
    /// Its `#[cfg]`s: without the backfill there is no migration.
    conditions: Vec<Attribute>,
    generics: Generics,
    backfill: Type,
    /// The conditions of its `fn down`, if it has one.
    down: Option<Vec<TokenStream>>,
}

impl Implementation {
    /// Reads the `impl`, of whose body the most is the compiler's to parse.
    pub(super) fn parse(item: TokenStream) -> syn::Result<Self> {
        Self::parse_stream.parse2(item)
    }

    /// The `impl` that makes a migration of the backfill.
    pub(super) fn migration(&self) -> TokenStream {
        let Self { conditions, generics, backfill, down } = self;
        let (parameters, _, clause) = generics.split_for_impl();
        let predicates = clause.map(|clause| clause.predicates.iter()).into_iter().flatten();
        // What parameters lack for a backfill is then told for that alone.
        let is_backfill = (!generics.params.is_empty()).then(|| quote!(Self: ::dunlin_backfill::Backfill,));
        let is_reversible = match down.as_deref() {
            None => quote!(false),
            Some([]) => quote!(true),
            Some(conditions) => quote!(::core::cfg!(all(#(#conditions),*))),
        };
        let (hooks, derived) = (quote!(::dunlin_backfill::hooks), quote!(::dunlin_backfill::derived));
        let hook = |name: &str, output: TokenStream| {
            let name = Ident::new(name, proc_macro2::Span::call_site());
            quote! {
                fn #name(
                    &self,
                    __cx: &#derived::Context<'_>,
                ) -> impl ::core::future::Future<
                    Output = ::core::result::Result<#output, #derived::BoxError>
                > + ::core::marker::Send {
                    #hooks::#name(self, __cx)
                }
            }
        };
        let methods = ["up", "down", "verify", "backfill"].map(|name| hook(name, quote!(())));
        let is_backfilled = hook("is_backfilled", quote!(::core::primitive::bool));
        let progress = quote!(::core::option::Option<#hooks::BackfillProgress>);
        let progress = hook("backfill_progress", progress);
        quote! {
            #(#conditions)*
            #[automatically_derived]
            impl #parameters #hooks::RustMigration for #backfill
            where
                #(#predicates,)*
                #is_backfill
            {
                const REVISION: ::core::primitive::u32 = <Self as ::dunlin_backfill::Backfill>::REVISION;
                const REVERSIBLE: ::core::primitive::bool = #is_reversible;
                // The hooks have transactions of their own.
                const TRANSACTION: #hooks::TransactionMode = #hooks::TransactionMode::None;
                const BACKFILL: ::core::primitive::bool = true;
                #(#methods)*
                #is_backfilled
                #progress
            }
        }
    }

    fn parse_stream(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if !input.peek(Token![impl]) && !input.peek2(Token![impl]) {
            let rest = input.cursor().span();
            input.parse::<TokenStream>()?;
            return Err(syn::Error::new(rest, USAGE));
        }
        // `unsafe`, which the compiler refuses.
        if !input.peek(Token![impl]) {
            input.parse::<TokenTree>()?;
        }
        input.parse::<Token![impl]>()?;
        let mut generics: Generics = input.parse()?;
        let negation: Option<Token![!]> = input.parse()?;
        let named: Type = input.parse()?;
        if !input.peek(Token![for]) {
            input.parse::<TokenStream>()?;
            let message = "`#[dunlin_backfill::migration]` goes on the `impl` of a trait: write `impl Backfill for ...`";
            return Err(syn::Error::new_spanned(named, message));
        }
        input.parse::<Token![for]>()?;
        let backfill = input.parse()?;
        generics.where_clause = input.parse()?;
        let body: TokenTree = input.parse()?;
        check_trait(&named)?;
        if let Some(negation) = negation {
            let message = "a migration is a backfill: remove the `!`";
            return Err(syn::Error::new(negation.span, message));
        }
        let down = match body {
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                find_down.parse2(body.stream())?
            }
            other => return Err(syn::Error::new(other.span(), "the `impl` needs a body in braces")),
        };
        let conditions =
            attributes.into_iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
        Ok(Self { conditions, generics, backfill, down })
    }
}

const USAGE: &str = "`#[dunlin_backfill::migration]` goes on `impl Backfill for ...`";

fn check_trait(named: &Type) -> syn::Result<()> {
    let last = |path: &Path| path.segments.last().map(|segment| segment.ident.to_string());
    let name = match named {
        Type::Path(named) => last(&named.path),
        _ => None,
    };
    let message = match name.as_deref() {
        Some("Backfill") => return Ok(()),
        Some("RustMigration") => {
            "a `RustMigration` is a migration already: remove `#[dunlin_backfill::migration]`".to_owned()
        }
        Some(other) => format!("`{other}` is no backfill: {USAGE}"),
        None => USAGE.to_owned(),
    };
    Err(syn::Error::new_spanned(named, message))
}

/// Looks for `fn down` among the items of the body, and for what it depends on.
fn find_down(input: ParseStream<'_>) -> syn::Result<Option<Vec<TokenStream>>> {
    input.call(Attribute::parse_inner)?;
    let mut found = None;
    while !input.is_empty() {
        let attributes = input.call(Attribute::parse_outer)?;
        let mut is_down = false;
        while !input.is_empty() {
            is_down |= input.peek(Token![fn]) && input.peek2(down);
            match input.parse()? {
                TokenTree::Punct(end) if end.as_char() == ';' => break,
                TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => break,
                _ => {}
            }
        }
        if is_down {
            let conditions = attributes.iter().filter_map(|attribute| match &attribute.meta {
                Meta::List(list) if list.path.is_ident("cfg") => Some(list.tokens.clone()),
                _ => None,
            });
            found = Some(conditions.collect());
        }
    }
    Ok(found)
}

mod keyword {
    syn::custom_keyword!(down);
}
use keyword::down;
