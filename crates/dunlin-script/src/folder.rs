use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use crate::{Diagnostic, FileName, FileNameError, Role, Script};

/// The number of files that is worth a thread.
const SMALLEST_SHARE: usize = 64;

/// A file of a migrations folder: its name there and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct SourceFile<'a> {
    name: &'a str,
    contents: &'a [u8],
}

impl<'a> SourceFile<'a> {
    /// Names a file. The contents of files that are no SQL are not looked at.
    pub fn new(name: &'a str, contents: &'a [u8]) -> Self {
        Self { name, contents }
    }
}

/// A migration and the files that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderMigration {
    version: i64,
    name: String,
    body: FolderBody,
}

/// What a migration is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "nearly all migrations are SQL")]
pub enum FolderBody {
    /// SQL files.
    #[non_exhaustive]
    Sql {
        /// What applies it.
        up: FolderScript,
        /// What undoes it.
        down: Option<FolderScript>,
        /// What checks it.
        verify: Option<FolderScript>,
    },
    /// A Rust file.
    #[non_exhaustive]
    Rust {
        /// Its path: the folder and the name.
        file: String,
    },
}

/// A script and the file that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderScript {
    file: String,
    script: Script,
}

impl FolderMigration {
    /// The version.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files.
    pub fn body(&self) -> &FolderBody {
        &self.body
    }
}

impl FolderScript {
    /// The path of the file: the folder and the name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What the file says.
    pub fn script(&self) -> &Script {
        &self.script
    }
}

/// Puts the files of a folder together: migrations in the order of their versions, each of which is there once.
///
/// `folder` is what paths in the result and in diagnostics begin with. Files that are no migrations are left out, see
/// [`FileName::parse`]. A folder without migrations is fine.
///
/// # Errors
///
/// Everything that is wrong with any of the files, ordered by file and position.
///
/// # Example
///
/// ```
/// use dunlin_script::{SourceFile, assemble};
///
/// let migrations = assemble("migrations", [
///     SourceFile::new("2_b.sql", b"SELECT 2"),
///     SourceFile::new("1_a.up.sql", b"SELECT 1"),
///     SourceFile::new("1_a.down.sql", b"SELECT 0"),
/// ]).unwrap();
/// assert_eq!(migrations.iter().map(|migration| migration.name()).collect::<Vec<_>>(), ["a", "b"]);
///
/// let diagnostics = assemble("migrations", [SourceFile::new("1_a.down.sql", b"")]).unwrap_err();
/// assert_eq!(diagnostics.len(), 2);
/// ```
pub fn assemble<'a>(
    folder: &str,
    files: impl IntoIterator<Item = SourceFile<'a>>,
) -> Result<Vec<FolderMigration>, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let mut versions: BTreeMap<i64, Vec<Part>> = BTreeMap::new();
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_by_key(|file| file.name);
    let parsed = in_parallel(&files, |file| {
        let file_name = FileName::parse(file.name)?;
        Ok::<_, FileNameError>(file_name.map(|file_name| {
            let role = file_name.role();
            (file_name, (role != Role::Rust).then(|| Script::parse(file.contents, role)))
        }))
    });
    for (SourceFile { name, .. }, parsed) in files.iter().zip(parsed) {
        let path = if folder.is_empty() { (*name).to_owned() } else { format!("{folder}/{name}") };
        let (file_name, script) = match parsed {
            Ok(Some(parsed)) => parsed,
            Ok(None) => continue,
            Err(error) => {
                diagnostics.push(Diagnostic::of_file(path, error.to_string()));
                continue;
            }
        };
        let script = match script {
            Some(Err(problems)) => {
                diagnostics.extend(problems.iter().map(|problem| Diagnostic::of_problem(&path, problem)));
                None
            }
            Some(Ok(script)) => Some(script),
            None => None,
        };
        versions.entry(file_name.version()).or_default().push(Part { path, file_name, script });
    }
    for parts in versions.values() {
        check(parts, &mut diagnostics);
    }
    let mut migrations: Vec<FolderMigration> = Vec::new();
    if diagnostics.is_empty() {
        migrations = versions.into_iter().filter_map(|(version, parts)| build(version, parts)).collect();
        check_required(&migrations, &mut diagnostics);
    }
    if diagnostics.is_empty() {
        Ok(migrations)
    } else {
        diagnostics.sort();
        Err(diagnostics)
    }
}

/// Checks that the backfills which migrations require are Rust migrations before them.
fn check_required(migrations: &[FolderMigration], diagnostics: &mut Vec<Diagnostic>) {
    for migration in migrations {
        let FolderBody::Sql { up, .. } = &migration.body else { continue };
        for name in up.script.directives().required_backfills() {
            let (before, after): (Vec<_>, Vec<_>) = migrations
                .iter()
                .filter(|other| other.name == *name)
                .partition(|other| other.version < migration.version);
            let message = match (&*before, &*after) {
                (before, _) if before.iter().any(|other| matches!(other.body, FolderBody::Rust { .. })) => {
                    continue;
                }
                ([_, ..], _) => format!("migration `{name}` is SQL, and no backfill: remove the line"),
                ([], [_, ..]) => {
                    format!("the backfill `{name}` comes after this migration: give this one a later version")
                }
                ([], []) => format!(
                    "there is no migration `{name}` before this one: write the name of its file, without the version and `.rs`"
                ),
            };
            let problem = up.script.problem_with_required(name, message);
            diagnostics.push(Diagnostic::of_problem(&up.file, &problem));
        }
    }
}

/// A file, read. SQL without a script has problems of its own.
struct Part {
    path: String,
    file_name: FileName,
    script: Option<Script>,
}

/// Applies a function to many items, on as many threads as the machine has processors: macros are compiled without optimisation,
/// and the compiler itself needs one processor at that moment.
fn in_parallel<T: Sync, R: Send>(items: &[T], function: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(threads).max(SMALLEST_SHARE);
    if items.len() <= share {
        return items.iter().map(function).collect();
    }
    let function = &function;
    thread::scope(|scope| {
        let shares: Vec<_> = items
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(function).collect::<Vec<_>>()))
            .collect();
        shares
            .into_iter()
            .flat_map(|share| share.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// Checks that the files of one version are one migration.
fn check(parts: &[Part], diagnostics: &mut Vec<Diagnostic>) {
    let mains: Vec<_> =
        parts.iter().filter(|part| matches!(part.file_name.role(), Role::Up | Role::Rust)).collect();
    for part in parts {
        let (file_name, version) = (&part.file_name, part.file_name.version());
        let twin = parts
            .iter()
            .take_while(|other| other.path != part.path)
            .find(|other| is_same(file_name.role(), other.file_name.role()));
        let message = match (twin, &*mains, file_name.role()) {
            (Some(twin), _, _)
                if twin.file_name.name() == file_name.name() && twin.file_name.role() == file_name.role() =>
            {
                Some(format!("{} is the same file of the same migration: remove one of the two", twin.path))
            }
            (Some(twin), _, _) => Some(format!(
                "version {version} is taken by {}: give this migration another version",
                twin.path
            )),
            (None, [], role) => Some(format!(
                "there is no migration {version} that this {role} script belongs to: add `{version}_{}.up.sql`, or remove it",
                file_name.name()
            )),
            (None, [main, ..], role) if main.file_name.name() != file_name.name() => Some(format!(
                "this {role} script is called {:?}, and the migration {}: give both the same name",
                file_name.name(),
                main.path
            )),
            (None, [main, ..], role @ (Role::Down | Role::Verify)) if main.file_name.role() == Role::Rust => {
                Some(format!(
                    "{} is a Rust migration: move this {role} script into its `{role}` function",
                    main.path
                ))
            }
            _ => None,
        };
        diagnostics.extend(message.map(|message| Diagnostic::of_file(&part.path, message)));
    }
}

/// Whether a migration can have only one of both.
fn is_same(one: Role, other: Role) -> bool {
    let main = |role| matches!(role, Role::Up | Role::Rust);
    one == other || main(one) && main(other)
}

fn build(version: i64, parts: Vec<Part>) -> Option<FolderMigration> {
    let (mut up, mut down, mut verify, mut rust) = (None, None, None, None);
    let mut name = String::new();
    for Part { path: file, file_name, script } in parts {
        name = file_name.name().to_owned();
        match (file_name.role(), script.map(|script| FolderScript { file: file.clone(), script })) {
            (Role::Up, script) => up = script,
            (Role::Down, script) => down = script,
            (Role::Verify, script) => verify = script,
            (Role::Rust, _) => rust = Some(file),
        }
    }
    let body = match (up, rust) {
        (Some(up), _) => FolderBody::Sql { up, down, verify },
        (None, file) => FolderBody::Rust { file: file? },
    };
    Some(FolderMigration { version, name, body })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn assembled(names: &[&str]) -> Result<Vec<FolderMigration>, Vec<Diagnostic>> {
        assemble("migrations", names.iter().map(|name| SourceFile::new(name, b"SELECT 1")))
    }

    fn diagnostics(names: &[&str]) -> String {
        let diagnostics = assembled(names).unwrap_err();
        diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn versions_are_numbers_and_order_the_migrations() {
        let names = [
            "10_c.sql",
            "9_b.rs",
            "README.md",
            "mod.rs",
            "0001_a.verify.sql",
            "1_a.down.sql",
            "001_a.up.sql",
        ];
        let migrations = assembled(&names).unwrap();
        let order: Vec<_> =
            migrations.iter().map(|migration| (migration.version(), migration.name())).collect();
        assert_eq!(order, [(1, "a"), (9, "b"), (10, "c")]);
        match migrations[0].body() {
            FolderBody::Sql { up, down: Some(down), verify: Some(verify) } => {
                assert_eq!(up.file(), "migrations/001_a.up.sql");
                assert_eq!(down.file(), "migrations/1_a.down.sql");
                assert_eq!(verify.file(), "migrations/0001_a.verify.sql");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(migrations[1].body(), &FolderBody::Rust { file: "migrations/9_b.rs".into() });
        assert!(matches!(migrations[2].body(), FolderBody::Sql { down: None, verify: None, .. }));
    }

    #[test]
    fn a_required_backfill_is_a_rust_migration_before() {
        let files: [(&str, &[u8]); 4] = [
            ("1_a.sql", b"SELECT 1"),
            ("2_b.rs", b""),
            ("3_c.sql", b"-- dunlin: requires-backfill = b\nSELECT 1"),
            (
                "4_d.sql",
                b"-- dunlin: requires-backfill = a\n-- dunlin: requires-backfill = e\n\
                  -- dunlin: requires-backfill = 2_b\nSELECT 1",
            ),
        ];
        let assembled = |files: &[(&str, &[u8])]| {
            let assembled =
                assemble("m", files.iter().map(|(name, contents)| SourceFile::new(name, contents)));
            assembled.map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        };
        assert_eq!(assembled(&files[..3]).unwrap().len(), 3);
        let files = [&files[..], &[("5_e.rs", b"")]].concat();
        assert_snapshot!(assembled(&files).unwrap_err(), @r"
        m/4_d.sql:1:4: migration `a` is SQL, and no backfill: remove the line
        m/4_d.sql:2:4: the backfill `e` comes after this migration: give this one a later version
        m/4_d.sql:3:4: there is no migration `2_b` before this one: write the name of its file, without the version and `.rs`
        ");
    }

    #[test]
    fn many_files_are_read_as_few_are() {
        let names: Vec<_> = (0..1_000).map(|version| format!("{version}_a.sql")).collect();
        let contents: Vec<_> = (0..1_000).map(|version| format!("SELECT {version}")).collect();
        let files =
            names.iter().zip(&contents).map(|(name, contents)| SourceFile::new(name, contents.as_bytes()));
        for (version, migration) in (0_i64..).zip(assemble("", files).unwrap()) {
            assert_eq!(migration.version(), version);
            match migration.body() {
                FolderBody::Sql { up, .. } => assert_eq!(up.script().text(), format!("SELECT {version}")),
                FolderBody::Rust { .. } => panic!("{version}"),
            }
        }
    }

    #[test]
    fn a_folder_may_be_empty() {
        assert_eq!(assembled(&[".gitkeep"]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_between_files_is_said() {
        let folders: [&[&str]; 10] = [
            &["0001_a.sql", "0001_b.sql"],
            &["7_a.up.sql", "007_a.up.sql"],
            &["7_a.up.sql", "7_a.sql"],
            &["7_a.sql", "7_a.rs"],
            &["7_a.up.sql", "7_a.down.sql", "007_a.down.sql"],
            &["7_a.up.sql", "7_b.down.sql", "7_c.verify.sql"],
            &["7_a.down.sql"],
            &["7_a.verify.sql", "8_b.sql"],
            &["7_a.rs", "7_a.down.sql"],
            &["schema.sql", "7_a.sql"],
        ];
        let text: Vec<_> = folders.iter().map(|names| diagnostics(names)).collect();
        assert_snapshot!(text.join("\n"), @r#"
        migrations/0001_b.sql: version 1 is taken by migrations/0001_a.sql: give this migration another version
        migrations/7_a.up.sql: migrations/007_a.up.sql is the same file of the same migration: remove one of the two
        migrations/7_a.up.sql: migrations/7_a.sql is the same file of the same migration: remove one of the two
        migrations/7_a.sql: version 7 is taken by migrations/7_a.rs: give this migration another version
        migrations/7_a.down.sql: migrations/007_a.down.sql is the same file of the same migration: remove one of the two
        migrations/7_b.down.sql: this down script is called "b", and the migration migrations/7_a.up.sql: give both the same name
        migrations/7_c.verify.sql: this verify script is called "c", and the migration migrations/7_a.up.sql: give both the same name
        migrations/7_a.down.sql: there is no migration 7 that this down script belongs to: add `7_a.up.sql`, or remove it
        migrations/7_a.verify.sql: there is no migration 7 that this verify script belongs to: add `7_a.up.sql`, or remove it
        migrations/7_a.down.sql: migrations/7_a.rs is a Rust migration: move this down script into its `down` function
        migrations/schema.sql: the name of a migration begins with its version, as in `0001_schema`
        "#);
    }

    #[test]
    fn a_problem_in_a_file_hides_none_elsewhere() {
        let files = [
            SourceFile::new("1_a.up.sql", b"SELECT 1;\nCOMMIT;\nVACUUM;"),
            SourceFile::new("1_b.down.sql", b"-- nothing"),
            SourceFile::new("2_c.sql", b"\xff"),
            SourceFile::new("2_d.rs", b"\xff"),
        ];
        let diagnostics: Vec<_> =
            assemble("db", files).unwrap_err().iter().map(ToString::to_string).collect();
        assert_snapshot!(diagnostics.join("\n"), @r#"
        db/1_a.up.sql:2:1: `COMMIT` can't be used in a migration: dunlin begins and commits by itself; remove it
        db/1_a.up.sql:3:1: `VACUUM` can't run in a transaction: add `-- dunlin: no-transaction` at the top, and move what needs one to another migration
        db/1_b.down.sql: this down script is called "b", and the migration db/1_a.up.sql: give both the same name
        db/1_b.down.sql:1:1: the file holds no statement: remove it, or write `SELECT 1` if nothing is to be done
        db/2_c.sql:1:1: byte 0xff is not UTF-8: save the file as UTF-8
        db/2_d.rs: version 2 is taken by db/2_c.sql: give this migration another version
        "#);
    }
}
