//! The program itself, run as a stranger runs it.

use std::process::{Command, Output};

use collection_snapshots::Legacy;

use crate::database;

async fn run(database_url: Option<String>, arguments: &'static [&'static str]) -> (bool, String, String) {
    let run = move || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_collection-snapshots"));
        program
            .args(arguments)
            .env_remove("DATABASE_URL")
            .envs(database_url.map(|url| ("DATABASE_URL", url)));
        program.output().unwrap()
    };
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn the_demonstration_ends_by_itself_and_well() {
    let (success, said, complained) = run(std::env::var("DATABASE_URL").ok(), &[]).await;

    assert!(success, "{said}{complained}");
    assert_eq!(complained, "");
    assert_eq!(said.matches("ready rows                4, the same as before, byte for byte\n").count(), 3);
    for line in ["building       1\n", "ready          4\n", "snapshot       2\n", "refused: migration 2"] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
}

#[tokio::test]
async fn the_commands_work_on_the_database_of_database_url() {
    let (database, _client) = database(Legacy::Statements(0)).await;
    let commands: [(&'static [&'static str], &str); 7] = [
        (&["migrate"], "2 applied in"),
        (&["migrate"], "nothing to do"),
        (&["down"], "1 reverted in"),
        (&["migrate"], "1 applied in"),
        (&["build", "00000000-0000-0000-0000-000000000009", "Estuaries"], "-"),
        (&["generate", "00000000-0000-0000-0000-000000000009", "Low tide"], "snapshot"),
        (&["stats"], "building       1\n  ready          4\n  snapshot       1\n"),
    ];
    for (arguments, expected) in commands {
        let (success, said, complained) = run(Some(database.url()), arguments).await;
        assert!(success, "{arguments:?}: {said}{complained}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn what_it_can_not_do_is_said_in_words_and_in_the_exit_code() {
    let nowhere = || Some("postgres://nobody@127.0.0.1:1/nothing".to_owned());
    let cases: [(Option<String>, &'static [&'static str], &str); 5] = [
        (None, &["migrate"], "set DATABASE_URL"),
        (nowhere(), &["migrte"], "usage: collection-snapshots"),
        (nowhere(), &["migrate"], "can't connect to PostgreSQL"),
        (nowhere(), &["stats"], "refused"),
        (Some("nonsense".to_owned()), &["stats"], "DATABASE_URL is not a connection string"),
    ];
    for (url, arguments, expected) in cases {
        let (success, said, complained) = run(url, arguments).await;
        assert!(!success, "{arguments:?}: {said}");
        assert!(complained.contains(expected), "{arguments:?}: {complained}");
        assert_eq!(said, "", "{arguments:?}");
    }
}
