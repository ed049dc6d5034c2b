use std::path::{Path, PathBuf};
use std::{env, fs, io};

use dunlin_script::{StatementKind, split};
use syn::LitStr;

use crate::embed::as_rustc_shows;

/// A SQL file of `fixtures(...)`, which is there and can be run.
pub(super) struct Fixture {
    /// The path as it is written, for messages.
    pub(super) name: String,
    /// The absolute path, where the literal stands.
    pub(super) path: LitStr,
}

impl Fixture {
    pub(super) fn read(written: &LitStr) -> syn::Result<Self> {
        let mistake = |message: String| syn::Error::new(written.span(), message);
        let name = written.value();
        if name.is_empty() || name.contains('\\') || Path::new(&name).is_absolute() {
            return Err(mistake(
                "the path of a fixture is relative to the folder of Cargo.toml, and written with `/`: as in \
                 \"tests/fixtures/users.sql\""
                    .into(),
            ));
        }
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = package
            .ok_or_else(|| mistake("`#[dunlin::test]` needs CARGO_MANIFEST_DIR, which cargo sets".into()))?;
        let path = package.join(&name);
        let place = as_rustc_shows(&path);
        let text = fs::read(&path).map_err(|error| {
            mistake(match error.kind() {
                io::ErrorKind::NotFound => format!(
                    "there is no file {place}: create it, or correct the path, which is relative to the folder of Cargo.toml"
                ),
                io::ErrorKind::IsADirectory => format!("{place} is a folder: a fixture is a SQL file"),
                _ => format!("{place} can't be read: {error}"),
            })
        })?;
        let text = String::from_utf8(text)
            .map_err(|_| mistake(format!("{place} is not UTF-8: save it as UTF-8")))?;
        check(&text).map_err(|wrong| mistake(format!("{place}:{wrong}")))?;
        let path = path.to_str().ok_or_else(|| mistake(format!("the path of {place} is not UTF-8")))?;
        Ok(Self { path: LitStr::new(path, written.span()), name })
    }
}

/// Says where in the text something is that only psql could run, or that never ends.
fn check(text: &str) -> Result<(), String> {
    let statements = split(text).map_err(|problem| problem.to_string())?;
    for statement in statements {
        let wrong = match statement.kind() {
            StatementKind::CopyFromStdin => {
                "`COPY ... FROM STDIN` needs a client that sends the rows: write INSERT, or dump with `pg_dump --inserts`"
            }
            StatementKind::PsqlMeta => {
                "a backslash outside of quotes begins a command of psql, which the server doesn't know: remove it"
            }
            _ => continue,
        };
        let before = text.get(..statement.range().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        return Err(format!("{line}:{column}: {wrong}"));
    }
    Ok(())
}
