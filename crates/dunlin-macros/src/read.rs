use std::fs;
use std::io;
use std::path::Path;

use dunlin_script::{Diagnostic, FileName, FolderMigration, SourceFile, assemble};

use crate::rust_file;

/// What is in a migrations folder.
pub(crate) struct Folder {
    /// The names of all migration files, sorted.
    pub(crate) files: Vec<String>,
    pub(crate) migrations: Vec<FolderMigration>,
}

impl Folder {
    /// Reads a folder. `shown` is what its path in the result and in diagnostics is.
    pub(crate) fn read(path: &Path, shown: &str) -> Result<Self, Vec<Diagnostic>> {
        let failed =
            |file: &str, error: io::Error| vec![Diagnostic::of_file(file, format!("can't be read: {error}"))];
        let mut diagnostics = Vec::new();
        let mut sources = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| failed(shown, error))? {
            let entry = entry.map_err(|error| failed(shown, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let file = format!("{shown}/{name}");
            if entry.path().is_dir() {
                diagnostics.extend(holds_sql(&entry.path()).then(|| {
                    Diagnostic::of_file(
                        file,
                        "SQL files in a folder inside the folder are not read: move them up, or away",
                    )
                }));
                continue;
            }
            if matches!(FileName::parse(&name), Ok(None)) {
                continue;
            }
            match fs::read(entry.path()) {
                Ok(contents) => sources.push((name, contents)),
                Err(error) => diagnostics.extend(failed(&file, error)),
            }
        }
        sources.sort();
        for (name, contents) in sources.iter().filter(|(name, _)| name.ends_with(".rs")) {
            let message = rust_file::check(contents);
            diagnostics
                .extend(message.map(|message| Diagnostic::of_file(format!("{shown}/{name}"), message)));
        }
        match assemble(shown, sources.iter().map(|(name, contents)| SourceFile::new(name, contents))) {
            Ok(migrations) if diagnostics.is_empty() => {
                Ok(Self { files: sources.into_iter().map(|(name, _)| name).collect(), migrations })
            }
            result => {
                diagnostics.extend(result.err().unwrap_or_default());
                diagnostics.sort();
                Err(diagnostics)
            }
        }
    }
}

/// Whether a folder holds what somebody may take for a migration, as in the layout of diesel.
fn holds_sql(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == "sql"))
}
