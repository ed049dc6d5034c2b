//! The program itself, run as a stranger runs it.

use std::process::{Command, Output};

use crate::support::{FEW, Place};

async fn run(place: Option<&Place>, arguments: &[&str]) -> (bool, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_generation-versions"));
    program.args(arguments);
    if let Some(place) = place {
        program.env("DATABASE_URL", place.database.url()).env("STORAGE_ROOT", place.root());
    }
    let run = move || program.output().unwrap();
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn the_story_ends_by_itself_and_well() {
    let (success, said, complained) =
        run(None, &["--seed", "5", "--projects", "9", "--generations", "60"]).await;

    assert!(success, "{said}{complained}");
    assert_eq!(complained, "");
    assert_eq!(said.matches("WRONG").count(), 0, "{said}");
    for line in ["refused: migration 2", "the project of 2 of 60 generations is gone", "differences,"] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
}

#[tokio::test]
async fn the_story_can_be_told_of_nothing() {
    let (success, said, complained) = run(None, &["--projects", "1", "--generations", "0"]).await;
    assert!(success, "{said}{complained}");
    assert!(said.contains("100 of 100") && !said.contains("refused"), "{said}");
}

#[tokio::test]
async fn the_commands_do_one_thing_each() {
    let place = Place::old(FEW).await;
    let commands: [(&[&str], bool, &str); 14] = [
        (&["preflight"], false, "orphans         1 of 26 generations ("),
        (&["migrate", "--archive-orphans"], true, "8 applied in"),
        (&["migrate"], true, "nothing to do"),
        (&["verify"], true, "25 of 25"),
        (&["compare", "atlas-0", "1", "2"], true, "version 1 against 2"),
        (&["activate", "atlas-0", "1"], true, "version 1 is active"),
        (&["verify"], true, "25 of 25"),
        (&["sweep"], true, "generations moved: 0, adopted: 0"),
        (&["rollback", "--files"], true, "1 reverted in"),
        (&["verify"], false, "WRONG  generations are in their folder"),
        (&["rollback", "--database"], true, "7 reverted in"),
        (&["migrate", "--archive-orphans"], true, "8 applied in"),
        (&["rollback", "--both"], true, "8 reverted in"),
        (&["preflight"], false, "orphans         1 of 26 generations ("),
    ];
    for (arguments, success, expected) in commands {
        let (did, said, complained) = run(Some(&place), arguments).await;
        assert_eq!(did, success, "{arguments:?}: {said}{complained}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn what_it_can_not_do_is_said_in_words_and_in_the_exit_code() {
    let place = Place::old(FEW).await;
    let cases: [(Option<&Place>, &[&str], &str); 6] = [
        (None, &["verify"], "name the folder with the flat files"),
        (None, &["verify", "--root", "/"], "name the database"),
        (None, &["verify", "--root", "/", "--database-url", "nonsense"], "this is no connection string"),
        (Some(&place), &["migrate"], "the project of 1 of 26 generations is gone"),
        (Some(&place), &["rollback"], "--database|--files|--both"),
        (Some(&place), &["compare", "atlas-0", "1", "2"], "project \"atlas-0\" has no version 1"),
    ];
    for (place, arguments, expected) in cases {
        let (success, said, complained) = run(place, arguments).await;
        assert!(!success, "{arguments:?}: {said}");
        assert!(complained.contains(expected), "{arguments:?}: {complained}");
    }
}
