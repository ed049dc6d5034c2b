//! What `embed!` becomes: a set that the core understands.

use std::time::Duration;

use dunlin::{Checksum, Migration, MigrationSet, TransactionMode, embed};

#[cfg(test)]
fn of(set: &MigrationSet, index: usize) -> &dyn Migration {
    &**set.iter().nth(index).unwrap()
}

#[test]
fn migrations_come_in_the_order_of_their_versions() {
    let set = embed!("tests/migrations");
    let ids: Vec<_> = set.iter().map(|migration| (migration.id().version(), migration.id().name())).collect();
    assert_eq!(
        ids,
        [(1, "create_users"), (9, "users_by_name"), (10, "split-names"), (20_260_131_120_000, "ünïcode")]
    );
}

#[test]
fn scripts_are_as_they_are_in_the_file_with_what_was_found_out_about_them() {
    let set = embed!("./tests/migrations/",);
    let migration = of(&set, 0);
    let text = "\u{feff}-- dunlin: lock-timeout = 2s\r\nCREATE TABLE users (name text DEFAULT 'ä');\r\n";
    assert_eq!(migration.checksum(), Checksum::of_sql(text));
    assert_eq!(migration.lock_timeout(), Some(Duration::from_secs(2)));
    assert_eq!(migration.transaction(), TransactionMode::PerMigration);
    assert!(migration.is_reversible() && migration.as_sql().is_some());
}

#[test]
fn a_script_may_run_outside_a_transaction() {
    let set = embed!("tests/migrations");
    assert_eq!(of(&set, 1).transaction(), TransactionMode::None);
    assert!(!of(&set, 1).is_reversible());
}

#[test]
fn a_rust_file_is_a_module() {
    let set = embed!("tests/migrations");
    assert_eq!(of(&set, 2).checksum(), Checksum::Revision(3));
    assert!(of(&set, 2).as_sql().is_none());
}

#[test]
fn the_path_may_come_from_another_macro() {
    macro_rules! folder {
        ($path:literal) => {
            embed!($path)
        };
    }
    assert_eq!(folder!("tests/migrations").len(), 4);
    assert_eq!(embed!(r#"tests/migrations"#).fingerprint(), folder!("tests/migrations").fingerprint());
}
