use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, LitStr, Meta, Token};

use super::{Derive, sql};
use crate::errors::Errors;
use crate::setting::{Setting, Value, string};

/// What stands in the parentheses of the `#[row(...)]` or `#[change(...)]` of a field.
#[derive(Default)]
pub(super) struct Options {
    pub(super) column: Option<LitStr>,
    pub(super) sql: Option<LitStr>,
    pub(super) cast: Option<LitStr>,
    pub(super) skip: Option<Ident>,
}

impl Options {
    /// Reads all options, and finds everything that is wrong with them.
    pub(super) fn parse(derive: Derive, attributes: &[Attribute], errors: &mut Errors) -> Self {
        let (mut options, mut seen) = (Self::default(), Vec::<Ident>::new());
        let own = attributes.iter().filter(|attribute| attribute.path().is_ident(derive.attribute()));
        for setting in own.flat_map(|attribute| settings(derive, attribute, errors)).collect::<Vec<_>>() {
            let name = setting.name.clone();
            let text = name.to_string();
            if !derive.options().contains(&text.as_str()) {
                let message = format!("unknown option `{text}`: {}", known(derive));
                errors.push(syn::Error::new(name.span(), message));
                continue;
            }
            if seen.contains(&name) {
                errors.push(syn::Error::new(name.span(), format!("`{name}` is given twice: remove one")));
                continue;
            }
            if let Some(other) = seen.iter().find(|_| derive == Derive::Row) {
                let message = format!("a field has `{other}` or `{name}`, not both: remove one");
                errors.push(syn::Error::new(name.span(), message));
            }
            match text.as_str() {
                "column" => options.column = errors.take(column(setting)),
                "sql" => options.sql = errors.take(expression(setting)),
                "cast" => options.cast = errors.take(cast(setting)),
                _ => options.skip = errors.take(skip(setting)),
            }
            seen.push(name);
        }
        options
    }
}

/// The options of one attribute, of which there is at least one.
fn settings(derive: Derive, attribute: &Attribute, errors: &mut Errors) -> Vec<Setting> {
    let name = derive.attribute();
    let usage = format!("`#[{name}]` is written as in `#[{name}(column = \"name\")]`");
    let Meta::List(list) = &attribute.meta else {
        errors.push(syn::Error::new_spanned(attribute, usage));
        return Vec::new();
    };
    if list.tokens.is_empty() {
        let message = format!("`#[{name}()]` says nothing: remove it");
        errors.push(syn::Error::new_spanned(attribute, message));
        return Vec::new();
    }
    let settings = attribute
        .parse_args_with(Punctuated::<Setting, Token![,]>::parse_terminated)
        .map_err(|error| syn::Error::new(error.span(), usage));
    errors.take(settings).into_iter().flatten().collect()
}

fn known(derive: Derive) -> String {
    let (name, options) = (derive.attribute(), derive.options());
    match options {
        [options @ .., last] => {
            let options: Vec<_> = options.iter().map(|option| format!("`{option}`")).collect();
            format!("the options of `#[{name}]` are {} and `{last}`", options.join(", "))
        }
        [] => format!("`#[{name}]` has no options"),
    }
}

fn column(setting: Setting) -> syn::Result<LitStr> {
    let usage = "`column` is the name of a column as a string, as in `column = \"type\"`";
    string(setting.one("column = \"type\"")?, usage)
}

fn expression(setting: Setting) -> syn::Result<LitStr> {
    let usage = "`sql` is an expression of SQL as a string, as in `sql = \"lower(email)\"`";
    let expression = string(setting.one("sql = \"lower(email)\"")?, usage)?;
    sql::check(&expression, usage)?;
    Ok(expression)
}

fn cast(setting: Setting) -> syn::Result<LitStr> {
    let usage = "`cast` is a type of SQL as a string, as in `cast = \"timestamptz\"`";
    let ty = string(setting.one("cast = \"timestamptz\"")?, usage)?;
    sql::check(&ty, usage)?;
    Ok(ty)
}

fn skip(setting: Setting) -> syn::Result<Ident> {
    match setting.value {
        Value::None => Ok(setting.name),
        Value::One(_) | Value::List(_) => {
            let message = "`skip` has no value: write `#[row(skip)]`";
            Err(syn::Error::new(setting.name.span(), message))
        }
    }
}
