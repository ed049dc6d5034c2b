//! The contract between `embed!` and the core: what the macro's expansion is made of.
//!
//! Not part of the public API; it may change in any release. What the macro has found out about the files comes as one
//! string, as a thousand struct literals take the compiler longer than the rest of a small program.

use std::sync::Arc;
use std::time::Duration;

use dunlin_script::{Digest, normalize};

use crate::code::Coded;
use crate::sql_migration::SqlScript;
use crate::{Checksum, Migration, MigrationId, MigrationSet, RustMigration, SqlMigration, TransactionMode};

/// Makes the Rust migration of a `.rs` file, from the version and the name that its file name gives it.
pub type Code = fn(i64, &'static str) -> Arc<dyn Migration>;

/// The folder that a set was embedded from; known in debug builds only.
#[derive(Clone, Copy, Debug)]
pub struct Folder {
    /// Its absolute path on the machine that built the program.
    pub path: &'static str,
    /// The migration files that were in it.
    pub files: &'static [&'static str],
}

/// A Rust migration with its id.
#[must_use]
pub fn rust<M: RustMigration>(version: i64, name: &'static str, migration: M) -> Arc<dyn Migration> {
    Arc::new(Coded::new(MigrationId::new(version, name), migration))
}

/// A set of what the macro has checked: sorted, unique, every script sound.
///
/// `index` has a line for each file, in the order of the migrations and for each of them `up`, `down`, `verify`. Its
/// fields are separated by tabs: version, name, and `rust` or a role and what
/// `script` reads. `texts` are the SQL files as
/// they are, `code` the Rust migrations, both in the order of the lines.
#[must_use]
pub fn set(
    index: &'static str,
    texts: &'static [&'static str],
    code: &'static [Code],
    folder: Option<Folder>,
) -> MigrationSet {
    match read(index, texts, code) {
        Some(migrations) => MigrationSet::from_sorted(migrations, folder),
        #[expect(clippy::panic, reason = "the macro and this crate are of different versions")]
        None => panic!("bug in dunlin: the index that `embed!` has written can't be read"),
    }
}

fn read(index: &'static str, texts: &[&'static str], code: &[Code]) -> Option<Vec<Arc<dyn Migration>>> {
    let (mut texts, mut code) = (texts.iter(), code.iter());
    let mut migrations: Vec<Arc<dyn Migration>> = Vec::new();
    let mut scripts: Option<Scripts> = None;
    for line in index.lines() {
        let mut fields = line.split('\t');
        let (version, name, role) = (fields.next()?.parse().ok()?, fields.next()?, fields.next()?);
        if matches!(role, "up" | "rust") {
            migrations.extend(scripts.take().map(Scripts::migration));
        }
        match role {
            "rust" => migrations.push(code.next()?(version, name)),
            "up" => {
                let up = script(fields, texts.next()?)?;
                scripts = Some(Scripts { id: MigrationId::new(version, name), up, down: None, verify: None });
            }
            "down" => scripts.as_mut()?.down = Some(script(fields, texts.next()?)?),
            "verify" => scripts.as_mut()?.verify = Some(script(fields, texts.next()?)?),
            _ => return None,
        }
    }
    migrations.extend(scripts.map(Scripts::migration));
    Some(migrations)
}

/// The scripts of one SQL migration.
struct Scripts {
    id: MigrationId,
    up: SqlScript,
    down: Option<SqlScript>,
    verify: Option<SqlScript>,
}

impl Scripts {
    fn migration(self) -> Arc<dyn Migration> {
        Arc::new(SqlMigration::from_scripts(self.id, self.up, self.down, self.verify))
    }
}

/// Reads the rest of a script's line: the file, `transaction` or `none`, the lock timeout and the statement timeout in
/// milliseconds or `-`, the two digests, and the backfills that are required.
fn script(mut fields: std::str::Split<'static, char>, text: &'static str) -> Option<SqlScript> {
    let timeout = |field: &str| match field {
        "-" => Some(None),
        milliseconds => Some(Some(Duration::from_millis(milliseconds.parse().ok()?))),
    };
    Some(SqlScript {
        file: fields.next()?.into(),
        text: normalize(text),
        transaction: match fields.next()? {
            "transaction" => TransactionMode::PerMigration,
            "none" => TransactionMode::None,
            _ => return None,
        },
        lock_timeout: timeout(fields.next()?)?,
        statement_timeout: timeout(fields.next()?)?,
        checksum: Checksum::Sql {
            raw: fields.next()?.parse::<Digest>().ok()?,
            tokens: fields.next()?.parse::<Digest>().ok()?,
        },
        required_backfills: fields.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_becomes_the_migrations_that_it_lists() {
        let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
        let index = format!(
            "1\ta\tup\tm/1_a.up.sql\ttransaction\t2000\t-\t{digest}\t{digest}\n\
             1\ta\tdown\tm/1_a.down.sql\tnone\t-\t7\t{digest}\t{digest}\n\
             2\tb\trust\n\
             3\tc\tup\tm/3_c.sql\tnone\t-\t-\t{digest}\t{digest}\tb\ta\n"
        );
        let code: Code = |version, name| Arc::new(SqlMigration::new(version, name, "SELECT 'code'").unwrap());
        let texts: [&'static str; 3] = ["\u{feff}SELECT 1\r\n", "SELECT 2", "SELECT 3"];
        let migrations = read(index.leak(), &texts, &[code]).unwrap();
        let ids: Vec<_> = migrations.iter().map(|migration| migration.id().to_string()).collect();
        assert_eq!(ids, ["1 (a)", "2 (b)", "3 (c)"]);
        let first = migrations[0].as_sql().unwrap();
        let (up, down) = (first.up_script(), first.down_script().unwrap());
        assert_eq!((&*up.file, &*up.text), ("m/1_a.up.sql", "SELECT 1\n"));
        assert_eq!(
            (up.transaction, up.lock_timeout),
            (TransactionMode::PerMigration, Some(Duration::from_secs(2)))
        );
        assert_eq!(
            (down.transaction, down.statement_timeout),
            (TransactionMode::None, Some(Duration::from_millis(7)))
        );
        assert!(first.verify_script().is_none());
        assert!(migrations[0].required_backfills().is_empty());
        assert_eq!(migrations[2].required_backfills(), ["b", "a"]);
        assert!(read("1\ta\tup\tm/1_a.sql", &texts, &[]).is_none());
        assert!(read("1\ta\trust", &[], &[]).is_none());
    }
}
