use std::path::{Path, PathBuf};
use std::{env, fs};

use dunlin_script::Diagnostic;
use proc_macro::TokenStream;

use crate::expand::Expansion;
use crate::input::Input;
use crate::mistake::Mistake;
use crate::read::Folder;

pub(crate) fn embed(input: TokenStream) -> Result<TokenStream, Mistake> {
    let Input { folder: written, span } = Input::parse(input)?;
    let mistake = |message: String| Mistake::new(span, message);
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package =
        package.ok_or_else(|| mistake("`embed!` needs CARGO_MANIFEST_DIR, which cargo sets".into()))?;
    // `./migrations/` is `migrations` in what people read.
    let shown = written.trim_start_matches("./").trim_end_matches('/');
    let path = package.join(shown);
    let place = as_rustc_shows(&path);
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            return Err(mistake(format!(
                "{place} is a file: `embed!` takes the folder that the migrations are in"
            )));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let advice = "create it, or correct the path, which is relative to the folder of Cargo.toml";
            return Err(mistake(format!("there is no folder {place}: {advice}")));
        }
        Err(error) => return Err(mistake(format!("{place} can't be read: {error}"))),
    }
    let path = path.to_str().ok_or_else(|| mistake(format!("the path of {place} is not UTF-8")))?;
    let folder = Folder::read(Path::new(path), shown)
        .map_err(|diagnostics| mistake(list(&package, shown, &diagnostics)))?;
    let expansion = Expansion { path, shown, folder: &folder }.to_string();
    expansion.parse().map_err(|error| mistake(format!("bug in dunlin: the expansion is no Rust: {error}")))
}

/// All diagnostics, each in a line of its own with a path that terminals and editors open.
fn list(package: &Path, shown: &str, diagnostics: &[Diagnostic]) -> String {
    let mut text = match diagnostics {
        [_] => format!("1 problem in the migrations of `{shown}`:"),
        _ => format!("{} problems in the migrations of `{shown}`:", diagnostics.len()),
    };
    for diagnostic in diagnostics {
        let file = as_rustc_shows(&package.join(diagnostic.file()));
        text.push_str("\n  ");
        text.push_str(&file);
        if let Some(position) = diagnostic.position() {
            text.push_str(&format!(":{position}"));
        }
        text.push_str(": ");
        text.push_str(diagnostic.message());
    }
    text
}

/// A path as the compiler shows it: relative to where cargo has started it, the workspace, if it is in there.
pub(crate) fn as_rustc_shows(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
