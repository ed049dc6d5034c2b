//! The folders of other migration tools as [`MigrationSet`]s, so that dunlin can be run against the migrations of real
//! projects. Test support: enough of each layout to read real folders, an error for the rest, nothing skipped in silence.
//!
//! | Layout | File names | Order | What else is read |
//! |---|---|---|---|
//! | refinery | `V<n>__name.sql` | by number, so V10 follows V9 | |
//! | sqlx | `<n>_name.sql`, or pairs of `.up.sql` and `.down.sql` | by number | `-- no-transaction` in the first line |
//! | Flyway | `V10__name.sql`, `V10.1__name.sql` or `V10_1__name.sql` | by version, part by part, over all locations | |
//! | goose | `<n>_name.sql` | by number | `-- +goose Up`, `Down`, `NO TRANSACTION`, `StatementBegin`, `StatementEnd` |
//!
//! - **Versions** are one integer in dunlin. Flyway's have up to three parts here, of which the second and third have three
//!   digits each: V10 is 10000000, V10.1 is 10001000. What does not fit is an error, never another order.
//! - **Sections** keep their lines: what belongs to the other section of a goose file is blanked, and a marker that says "no
//!   transaction" gives way to `-- dunlin: no-transaction`. So an error's line and column are those of the file.
//! - **Texts** that dunlin refuses are changed as its own error says, see [`Change`]; what that does not cure is an error.
//!   All changes are told in [`Adapted::changes`]: a reader of the tests sees what "unchanged" leaves out.
//!
//! Not read: refinery's unversioned `U` and Flyway's repeatable `R__` and undo `U` files (errors), files in Rust, Go or Java,
//! Flyway's placeholders and `.conf` files, and goose's `ENVSUB` (an error).

mod change;
mod file_name;
mod goose;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use dunlin::{MigrationSet, SqlMigration};

pub use crate::layouts::change::Change;
use crate::layouts::{change::adapt, file_name::Half};

/// Whose folders are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// <https://docs.rs/refinery>
    Refinery,
    /// <https://docs.rs/sqlx/latest/sqlx/macro.migrate.html>
    Sqlx,
    /// <https://documentation.red-gate.com/flyway>
    Flyway,
    /// <https://pressly.github.io/goose/>
    Goose,
}

/// A migration as its project wrote it: what plain `psql` would be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The file of the up script, without its folder.
    pub file: String,
    /// The version that it gets in dunlin.
    pub version: i64,
    /// The name that it gets in dunlin.
    pub name: String,
    /// What applies it.
    pub up: String,
    /// What reverts it.
    pub down: Option<String>,
}

/// A folder of another tool, ready for dunlin.
#[derive(Clone, Debug)]
pub struct Adapted {
    /// The migrations for dunlin.
    pub set: MigrationSet,
    /// The same as they were written, in the order of `set`.
    pub originals: Vec<Foreign>,
    /// Which files say something else now, and what, in the order of `set`.
    pub changes: Vec<(String, Change)>,
}

/// Why a folder can't be read. `Display` names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutError {
    place: String,
    message: String,
}

/// Reads the folders, adapts what dunlin refuses, and makes one set of all.
///
/// # Errors
/// A file that is not of the layout, versions that are taken twice, and texts that dunlin refuses for good.
pub fn load(layout: Layout, folders: &[PathBuf]) -> Result<Adapted, LayoutError> {
    let originals = read(layout, folders)?;
    let (mut builder, mut changes) = (MigrationSet::builder(), Vec::new());
    for original in &originals {
        let (migration, made) = original.adapt()?;
        builder = builder.migration(migration);
        changes.extend(made.into_iter().map(|change| (original.file.clone(), change)));
    }
    let set = builder.build().map_err(|error| LayoutError::new("the set", error))?;
    Ok(Adapted { set, originals, changes })
}

/// Reads the `.sql` files of the folders, merged, in the order in which their tool applies them.
///
/// # Errors
/// A file that is not of the layout, and versions that are taken twice.
pub fn read(layout: Layout, folders: &[PathBuf]) -> Result<Vec<Foreign>, LayoutError> {
    let mut found = BTreeMap::new();
    let mut downs = Vec::new();
    for path in sql_files(folders)? {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let error = |message: &dyn fmt::Display| LayoutError::new(&file, message);
        let name = layout.file_name(&file).map_err(|message| error(&message))?;
        let text = fs::read_to_string(&path).map_err(|cause| error(&cause))?;
        if name.half == Half::Down {
            downs.push((name.version, file, text));
            continue;
        }
        let (up, down) = layout.sections(&text).map_err(|message| error(&message))?;
        let migration = Foreign { file: file.clone(), version: name.version, name: name.name, up, down };
        if let Some(other) = found.insert(name.version, migration) {
            return Err(error(&format!("version {} is that of {} too", name.version, other.file)));
        }
    }
    for (version, file, text) in downs {
        let Some(up) = found.get_mut(&version) else { return Err(LayoutError::new(&file, "there is no up")) };
        let (down, _) = layout.sections(&text).map_err(|message| LayoutError::new(&file, message))?;
        up.down = Some(down);
    }
    Ok(found.into_values().collect())
}

impl Foreign {
    /// The migration for dunlin, and what had to be changed.
    ///
    /// # Errors
    /// A text that dunlin refuses for a reason that no [`Change`] cures.
    pub fn adapt(&self) -> Result<(SqlMigration, Vec<Change>), LayoutError> {
        let refused = |error| LayoutError::new(&self.file, error);
        let up = |text: &str| SqlMigration::new(self.version, &*self.name, text);
        let (migration, mut changes) = adapt(&self.up, up).map_err(refused)?;
        let Some(down) = &self.down else { return Ok((migration, changes)) };
        let (migration, more) = adapt(down, |text| migration.clone().with_down(text)).map_err(refused)?;
        changes.extend(more);
        Ok((migration, changes))
    }
}

impl Layout {
    /// The up and the down script in the text of a file.
    fn sections(self, text: &str) -> Result<(String, Option<String>), String> {
        match self {
            Self::Goose => goose::sections(text),
            Self::Sqlx => Ok((marked(text, "-- no-transaction"), None)),
            Self::Refinery | Self::Flyway => Ok((text.to_owned(), None)),
        }
    }
}

impl LayoutError {
    fn new(place: &str, message: impl fmt::Display) -> Self {
        Self { place: place.to_owned(), message: message.to_string() }
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for LayoutError {}

/// Puts dunlin's directive where the first line is the tool's own.
fn marked(text: &str, marker: &str) -> String {
    match text.strip_prefix(marker) {
        Some(rest) => format!("{}{rest}", change::DIRECTIVE),
        None => text.to_owned(),
    }
}

fn sql_files(folders: &[PathBuf]) -> Result<Vec<PathBuf>, LayoutError> {
    let mut files = Vec::new();
    for folder in folders {
        let error = |cause| LayoutError::new(&folder.display().to_string(), cause);
        for entry in fs::read_dir(folder).map_err(error)? {
            files.push(entry.map_err(error)?.path());
        }
    }
    files.retain(|path: &PathBuf| path.extension() == Some("sql".as_ref()) && Path::is_file(path));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(up: &str) -> Foreign {
        Foreign { file: "V1__a.sql".into(), version: 1, name: "a".into(), up: up.into(), down: None }
    }

    #[test]
    fn the_marker_of_sqlx_becomes_the_directive() {
        let (up, down) = Layout::Sqlx.sections("-- no-transaction\nVACUUM;").unwrap();
        assert_eq!((up.as_str(), down), ("-- dunlin: no-transaction\nVACUUM;", None));
    }

    #[test]
    fn what_no_change_cures_is_an_error_that_names_the_file() {
        let error = foreign("SELECT 1;\n  COPY t FROM STDIN;").adapt().unwrap_err().to_string();
        assert!(
            error.starts_with("V1__a.sql: 1_a.up.sql:2:3: `COPY ... FROM STDIN` can't be used"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let error = load(Layout::Refinery, &[PathBuf::from("/no/such/folder")]).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/folder: "), "{error}");
    }
}
