use std::num::NonZeroUsize;

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, ExprUnary, Ident, Lit, LitInt, LitStr, Token, UnOp};

use super::fixture::Fixture;
use crate::errors::Errors;
use crate::setting::{Setting, integer, string};

/// What stands in the parentheses of `#[dunlin::test(...)]`.
#[derive(Default)]
pub(super) struct Options {
    pub(super) migrations: Option<Migrations>,
    pub(super) fixtures: Vec<Fixture>,
    /// An expression.
    pub(super) at: Option<TokenStream>,
    pub(super) flavor: Flavor,
    /// The names of those options that say what the database is like.
    pub(super) of_database: Vec<Ident>,
}

pub(super) enum Migrations {
    Folder(LitStr),
    Value(Box<Expr>),
}

#[derive(Clone, Copy, Default)]
pub(super) enum Flavor {
    #[default]
    CurrentThread,
    MultiThread {
        workers: Option<usize>,
    },
}

impl Options {
    /// Reads all options, and tells everything that is wrong with them.
    pub(super) fn parse(input: TokenStream) -> syn::Result<Self> {
        let settings = Punctuated::<Setting, Token![,]>::parse_terminated.parse2(input)?;
        let mut options = Self::default();
        let (mut errors, mut seen) = (Errors::default(), Vec::<Ident>::new());
        let (mut flavor, mut workers) = (None, None);
        for setting in settings {
            let name = setting.name.clone();
            if seen.contains(&name) {
                errors.push(syn::Error::new(name.span(), format!("`{name}` is given twice: remove one")));
                continue;
            }
            match name.to_string().as_str() {
                "migrations" => options.migrations = errors.take(migrations(setting)),
                "fixtures" => options.fixtures = fixtures(setting, &mut errors),
                "at" => options.at = errors.take(at(setting)),
                "flavor" => flavor = errors.take(is_multi_thread(setting)),
                "worker_threads" => workers = errors.take(worker_threads(setting)),
                other => {
                    let known =
                        "the options are `migrations`, `fixtures`, `at`, `flavor` and `worker_threads`";
                    errors.push(syn::Error::new(name.span(), format!("unknown option `{other}`: {known}")));
                }
            }
            if matches!(name.to_string().as_str(), "migrations" | "fixtures" | "at") {
                options.of_database.push(name.clone());
            }
            seen.push(name);
        }
        let workers_named = seen.iter().find(|name| *name == "worker_threads");
        if let Some(name) = workers_named
            && !flavor.unwrap_or(seen.iter().any(|name| name == "flavor"))
        {
            let advice = "add `flavor = \"multi_thread\"`, or remove it";
            let message = format!("`worker_threads` needs a runtime of many threads: {advice}");
            errors.push(syn::Error::new(name.span(), message));
        }
        errors.finish()?;
        if flavor == Some(true) {
            options.flavor = Flavor::MultiThread { workers };
        }
        Ok(options)
    }
}

fn migrations(setting: Setting) -> syn::Result<Migrations> {
    let usage = "`migrations` is the path of a folder as a string, a `MigrationSet` or a `Migrator`, as in \
                 `migrations = crate::migrations()`";
    match setting.one("migrations = \"db/migrations\"` or `migrations = crate::migrations()")? {
        Expr::Lit(ExprLit { lit: Lit::Str(folder), .. }) => Ok(Migrations::Folder(folder)),
        Expr::Lit(other) => Err(syn::Error::new_spanned(other, usage)),
        value => Ok(Migrations::Value(Box::new(value))),
    }
}

fn fixtures(setting: Setting, errors: &mut Errors) -> Vec<Fixture> {
    let usage = "a fixture is the path of a SQL file as a string";
    let list = errors.take(setting.list("fixtures(\"tests/fixtures/users.sql\")")).unwrap_or_default();
    list.into_iter()
        .filter_map(|value| errors.take(string(value, usage).and_then(|path| Fixture::read(&path))))
        .collect()
}

fn at(setting: Setting) -> syn::Result<TokenStream> {
    let usage = "`at` is the version of a migration, as in `at = 6`";
    match setting.one("at = 6")? {
        literal @ Expr::Lit(_) => {
            let written = integer(&literal, usage)?;
            let version: i64 = written.base10_parse().map_err(|_| syn::Error::new(written.span(), usage))?;
            Ok(LitInt::new(&format!("{version}i64"), written.span()).into_token_stream())
        }
        negative @ Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => {
            Err(syn::Error::new_spanned(negative, usage))
        }
        value => Ok(value.into_token_stream()),
    }
}

fn is_multi_thread(setting: Setting) -> syn::Result<bool> {
    let usage = "`flavor` is \"current_thread\" or \"multi_thread\"";
    let flavor = string(setting.one("flavor = \"multi_thread\"")?, usage)?;
    match flavor.value().as_str() {
        "current_thread" => Ok(false),
        "multi_thread" => Ok(true),
        _ => Err(syn::Error::new(flavor.span(), usage)),
    }
}

fn worker_threads(setting: Setting) -> syn::Result<usize> {
    let usage = "`worker_threads` is a number from 1, as in `worker_threads = 2`";
    let value = setting.one("worker_threads = 2")?;
    let workers = integer(&value, usage)?;
    let workers: NonZeroUsize = workers.base10_parse().map_err(|_| syn::Error::new(workers.span(), usage))?;
    Ok(workers.get())
}
