use std::fmt::{self, Write as _};
use std::time::Duration;

use dunlin_script::{FolderBody, FolderMigration, FolderScript, TransactionMode};

use crate::read::Folder;

/// What `embed!` becomes, written by `Display`. The types are those of `dunlin_core::embedded`.
///
/// What was found out about the files is one string, and the files are a slice of texts: that is quick to compile. The text
/// is parsed by the compiler; for a thousand migrations that takes less time than building the tokens one by one
/// through the compiler's bridge does, and it needs no crate.
pub(crate) struct Expansion<'a> {
    /// The folder's absolute path.
    pub(crate) path: &'a str,
    /// Its path relative to the package.
    pub(crate) shown: &'a str,
    pub(crate) folder: &'a Folder,
}

impl fmt::Display for Expansion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ use ::dunlin::__private as __dunlin; use ::core::option::Option::{None as __None, Some as __Some};")?;
        for migration in &self.folder.migrations {
            if let FolderBody::Rust { file, .. } = migration.body() {
                // Two `embed!`s of one folder are two modules from one file, and that is all right.
                f.write_str("#[allow(unreachable_pub, clippy::duplicate_mod)]")?;
                write!(f, "#[path = {:?}] mod {};", self.absolute(file), module(migration))?;
            }
        }
        let mut index = String::new();
        f.write_str("static TEXTS: &[&str] = &[")?;
        for migration in &self.folder.migrations {
            if let FolderBody::Sql { up, down, verify, .. } = migration.body() {
                for (role, script) in [("up", Some(up)), ("down", down.as_ref()), ("verify", verify.as_ref())]
                {
                    let Some(script) = script else { continue };
                    index_script(&mut index, migration, role, script)?;
                    write!(f, "::core::include_str!({:?}),", self.absolute(script.file()))?;
                }
            } else {
                writeln!(index, "{}\t{}\trust", migration.version(), migration.name())?;
            }
        }
        f.write_str("]; static CODE: &[__dunlin::Code] = &[")?;
        let coded = |migration: &&FolderMigration| matches!(migration.body(), FolderBody::Rust { .. });
        for migration in self.folder.migrations.iter().filter(coded) {
            write!(f, "|version, name| __dunlin::rust(version, name, {}::Migration),", module(migration))?;
        }
        f.write_str("];")?;
        // The path stays out of release builds.
        f.write_str(
            "#[cfg(not(debug_assertions))] const FOLDER: ::core::option::Option<__dunlin::Folder> = __None;",
        )?;
        f.write_str("#[cfg(debug_assertions)] const FOLDER: ::core::option::Option<__dunlin::Folder> = ")?;
        write!(f, "__Some(__dunlin::Folder {{ path: {:?}, files: &{:?} }});", self.path, self.folder.files)?;
        write!(f, "__dunlin::set({index:?}, TEXTS, CODE, FOLDER) }}")
    }
}

impl Expansion<'_> {
    /// The absolute path of a file whose path begins with the folder's.
    fn absolute(&self, file: &str) -> String {
        let name = file.strip_prefix(self.shown).unwrap_or(file);
        format!("{}{name}", self.path)
    }
}

/// The line of a script, as `dunlin_core::embedded::set` reads it.
fn index_script(
    index: &mut String,
    migration: &FolderMigration,
    role: &str,
    script: &FolderScript,
) -> fmt::Result {
    let (directives, checksums) = (script.script().directives(), script.script().checksums());
    let transaction = match directives.transaction() {
        TransactionMode::PerMigration => "transaction",
        TransactionMode::None => "none",
    };
    let timeout =
        |timeout: Option<Duration>| timeout.map_or("-".into(), |timeout| timeout.as_millis().to_string());
    write!(
        index,
        "{}\t{}\t{role}\t{}\t{transaction}\t{}\t{}\t{}\t{}",
        migration.version(),
        migration.name(),
        script.file(),
        timeout(directives.lock_timeout()),
        timeout(directives.statement_timeout()),
        checksums.raw(),
        checksums.tokens(),
    )?;
    for required in directives.required_backfills() {
        write!(index, "\t{required}")?;
    }
    index.push('\n');
    Ok(())
}

/// The name of a Rust migration's module, as it stands in backtraces and in messages of the compiler.
fn module(migration: &FolderMigration) -> String {
    let name = migration.name().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("migration_{:04}_{name}", migration.version())
}
