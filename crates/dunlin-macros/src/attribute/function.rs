use proc_macro2::{Group, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Expr, ExprLit, FnArg, Ident, Lit, LitStr, Meta, PatType, ReturnType, Safety, Signature, Type,
    Visibility,
};

use crate::errors::Errors;

/// The function that `#[dunlin::test]` stands on.
pub(super) struct Function {
    pub(super) attributes: Vec<Attribute>,
    pub(super) visibility: Visibility,
    pub(super) signature: Signature,
    /// As it is: a body is the compiler's to parse.
    pub(super) body: Group,
}

impl Function {
    /// Reads the function, and tells everything about it that a test can't have.
    pub(super) fn parse(item: TokenStream) -> syn::Result<Self> {
        let function = Self::parse_unchecked.parse2(item)?;
        function.check()?;
        Ok(function)
    }

    /// The name of the test.
    pub(super) fn name(&self) -> &Ident {
        &self.signature.ident
    }

    /// What the test asks for.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &PatType> {
        self.signature.inputs.iter().filter_map(|argument| match argument {
            FnArg::Typed(argument) => Some(argument),
            FnArg::Receiver(_) => None,
        })
    }

    /// Whether it never returns.
    pub(super) fn is_endless(&self) -> bool {
        matches!(&self.signature.output, ReturnType::Type(_, output) if matches!(**output, Type::Never(_)))
    }

    /// The type that it returns, if that is not `()` and if it does.
    pub(super) fn output(&self) -> Option<&Type> {
        match &self.signature.output {
            ReturnType::Type(_, output) => match &**output {
                Type::Tuple(tuple) if tuple.elems.is_empty() => None,
                Type::Never(_) => None,
                output => Some(output),
            },
            ReturnType::Default => None,
        }
    }

    /// Whether it has `#[should_panic]`, and what that expects.
    pub(super) fn should_panic(&self) -> Option<Option<LitStr>> {
        let attribute = self.attributes.iter().find(|attribute| attribute.path().is_ident("should_panic"))?;
        let value = match &attribute.meta {
            Meta::NameValue(meta) => string(&meta.value),
            Meta::List(_) => {
                let mut expected = None;
                // What is wrong with it the compiler says.
                let _ = attribute.parse_nested_meta(|meta| {
                    let value: Expr = meta.value()?.parse()?;
                    expected = string(&value);
                    Ok(())
                });
                expected
            }
            Meta::Path(_) => None,
        };
        Some(value)
    }

    fn parse_unchecked(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let first = input.cursor();
        let signature = Signature::parse(input)
            .map_err(|_| syn::Error::new(first.span(), "`#[dunlin::test]` goes on an `async fn`"))?;
        let body = match input.parse()? {
            TokenTree::Group(body) => body,
            other => return Err(syn::Error::new(other.span(), "a test needs a body")),
        };
        Ok(Self { attributes, visibility, signature, body })
    }

    fn check(&self) -> syn::Result<()> {
        let mut errors = Errors::default();
        self.check_attributes(&mut errors);
        self.check_modifiers(&mut errors);
        for argument in &self.signature.inputs {
            errors.take(check_argument(argument));
        }
        if let Some(output) = self.output()
            && self.should_panic().is_some()
        {
            let message =
                "a test with `#[should_panic]` returns nothing: call `unwrap` where it should panic";
            errors.push(syn::Error::new_spanned(output, message));
        }
        errors.finish()
    }

    fn check_attributes(&self, errors: &mut Errors) {
        for attribute in &self.attributes {
            let Some(last) = attribute.path().segments.last() else { continue };
            let message = if last.ident == "test" {
                "`#[dunlin::test]` makes it a test already: remove this attribute"
            } else if last.ident == "rstest" {
                "`#[rstest]` goes above `#[dunlin::test]`, which runs what becomes of each case"
            } else {
                continue;
            };
            errors.push(syn::Error::new_spanned(attribute, message));
        }
    }

    fn check_modifiers(&self, errors: &mut Errors) {
        let signature = &self.signature;
        let mut refuse = |span, what: &str| {
            errors.push(syn::Error::new(span, format!("a test can't {what}")));
        };
        if let Some(constness) = &signature.constness {
            refuse(constness.span, "be `const`");
        }
        if let Safety::Unsafe(unsafety) = &signature.safety {
            refuse(unsafety.span, "be `unsafe`: nobody can promise anything to it");
        }
        if let Some(abi) = &signature.abi {
            refuse(abi.extern_token.span, "be `extern`");
        }
        if !signature.generics.params.is_empty() {
            refuse(signature.generics.span(), "be generic: nobody says for which types it should run");
        }
        if let Some(clause) = &signature.generics.where_clause {
            refuse(clause.where_token.span, "have a `where` clause");
        }
        if signature.asyncness.is_none() {
            let message = "`#[dunlin::test]` goes on an `async fn`: add `async`";
            errors.push(syn::Error::new(signature.fn_token.span, message));
        }
    }
}

fn check_argument(argument: &FnArg) -> syn::Result<()> {
    let argument = match argument {
        FnArg::Typed(argument) => argument,
        FnArg::Receiver(receiver) => {
            let message = "a test can't have `self`: move it out of the `impl`";
            return Err(syn::Error::new(receiver.self_token.span, message));
        }
    };
    let conditional =
        |attribute: &&Attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr");
    if let Some(attribute) = argument.attrs.iter().find(conditional) {
        let message = "an argument is asked for always: put `#[cfg]` on the whole test";
        return Err(syn::Error::new_spanned(attribute, message));
    }
    match &*argument.ty {
        Type::Reference(reference) => {
            let message = "a test gets its arguments by value: remove the `&`";
            Err(syn::Error::new(reference.and_token.span, message))
        }
        Type::ImplTrait(ty) => {
            Err(syn::Error::new(ty.impl_token.span, "a test asks for what it wants by type: name one"))
        }
        Type::Infer(ty) => Err(syn::Error::new(ty.span(), "a test asks for what it wants by type: name one")),
        _ => Ok(()),
    }
}

fn string(value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(string), .. }) => Some(string.clone()),
        _ => None,
    }
}
