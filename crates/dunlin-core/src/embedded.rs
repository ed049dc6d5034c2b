//! The contract between `embed!` and the core: what the macro's expansion is made of.
//!
//! Not part of the public API; it may change in any release.

use std::sync::Arc;
use std::time::Duration;

use dunlin_script::normalize;

use crate::code::Coded;
use crate::sql_migration::SqlScript;
use crate::{Checksum, Migration, MigrationId, MigrationSet, RustMigration, SqlMigration, TransactionMode};

/// A SQL script that was checked at compile time.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Path relative to the crate.
    pub file: &'static str,
    /// The file's text as it is.
    pub text: &'static str,
    /// SHA-256 over the normalised text.
    pub raw: [u8; 32],
    /// SHA-256 over the tokens.
    pub tokens: [u8; 32],
    /// False with `-- dunlin: no-transaction`.
    pub transaction: bool,
    /// From `-- dunlin: lock-timeout`.
    pub lock_timeout_ms: Option<u64>,
    /// From `-- dunlin: statement-timeout`.
    pub statement_timeout_ms: Option<u64>,
}

/// The scripts of one SQL migration.
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// Its version.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// The script that applies it.
    pub up: Script,
    /// The script that undoes it.
    pub down: Option<Script>,
    /// The script that verifies it.
    pub verify: Option<Script>,
}

/// One migration of the folder.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives in a static, and nearly all of them are SQL")]
pub enum Entry {
    /// From `.sql` files.
    Sql(Sql),
    /// From a `.rs` file.
    Rust(fn() -> Arc<dyn Migration>),
}

/// The folder that a set was embedded from; known in debug builds only.
#[derive(Clone, Copy, Debug)]
pub struct Folder {
    /// Its absolute path on the machine that built the program.
    pub path: &'static str,
    /// The migration files that were in it.
    pub files: &'static [&'static str],
}

/// A Rust migration with the id that its file name gives it.
#[must_use]
pub fn rust<M: RustMigration>(version: i64, name: &'static str, migration: M) -> Arc<dyn Migration> {
    Arc::new(Coded::new(MigrationId::new(version, name), migration))
}

/// A set of what the macro has checked: sorted, unique, every script sound.
#[must_use]
pub fn set(entries: &[Entry], folder: Option<Folder>) -> MigrationSet {
    let migrations = entries.iter().map(|entry| match entry {
        Entry::Sql(sql) => sql.migration(),
        Entry::Rust(migration) => migration(),
    });
    MigrationSet::from_sorted(migrations.collect(), folder)
}

impl Sql {
    fn migration(&self) -> Arc<dyn Migration> {
        Arc::new(SqlMigration::from_scripts(
            MigrationId::new(self.version, self.name),
            self.up.script(),
            self.down.map(|down| down.script()),
            self.verify.map(|verify| verify.script()),
        ))
    }
}

impl Script {
    fn script(&self) -> SqlScript {
        SqlScript {
            file: self.file.into(),
            text: normalize(self.text),
            checksum: Checksum::from_digests(self.raw, self.tokens),
            transaction: if self.transaction { TransactionMode::PerMigration } else { TransactionMode::None },
            lock_timeout: self.lock_timeout_ms.map(Duration::from_millis),
            statement_timeout: self.statement_timeout_ms.map(Duration::from_millis),
        }
    }
}
