//! Migrations of real projects, which are read where they lie and are not part of the repository.

use std::path::{Path, PathBuf};
use std::{fs, io};

use dunlin_script::{Checksums, StatementKind, normalize, split};

fn corpora() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    folder.is_dir().then_some(folder)
}

fn sql_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sql_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    Ok(())
}

#[test]
fn every_file_is_split_and_reformatted_without_an_edit() {
    let Some(corpora) = corpora() else { return };
    let mut files = Vec::new();
    sql_files(&corpora, &mut files).unwrap();
    assert!(files.len() > 100);
    for file in files {
        // `schema` is made by pg_dump, and says `\restrict`.
        let text = fs::read_to_string(&file).unwrap();
        let text = normalize(&text);
        let statements = split(&text).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()));
        let mut rewritten = String::new();
        for statement in &statements {
            rewritten.push_str(&format!("/* ; */{}\n; ", statement.text(&text)));
            let is_meta = *statement.kind() == StatementKind::PsqlMeta;
            assert_eq!(is_meta, statement.text(&text).starts_with('\\'), "{}", file.display());
        }
        let again = split(&rewritten).unwrap();
        assert_eq!(again.len(), statements.len(), "{}", file.display());
        if text.trim_end().ends_with(';') && !text.contains('\\') && !text.contains(";;") {
            assert_eq!(
                Checksums::of(&text).tokens(),
                Checksums::of(&rewritten).tokens(),
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn statements_are_as_many_as_a_reader_counts() {
    let Some(corpora) = corpora() else { return };
    let conductor = "conductor/src/postgres-persistence/src/main/resources/db/migration_postgres";
    for (file, expected) in [
        ("atuin/src/migrations/20220419082412_add_count_trigger.sql".to_owned(), 3),
        (format!("{conductor}/V1__initial_schema.sql"), 34),
        ("svix/src/server/svix-server/migrations/20220123205937_initial.up.sql".to_owned(), 20),
    ] {
        let text = fs::read_to_string(corpora.join(&file)).unwrap();
        assert_eq!(split(&normalize(&text)).unwrap().len(), expected, "{file}");
    }
}
