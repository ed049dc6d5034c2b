//! The program itself, run as a stranger runs it.

use std::process::Output;

use tokio::process::Command;

use crate::support::program;

async fn run(arguments: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(program());
    let Output { status, stdout, stderr } = command.args(arguments).output().await.unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn the_demonstration_ends_by_itself_and_well() {
    let (success, said, complained) = run(&["--rows", "2000"]).await;

    assert!(success, "{said}{complained}");
    assert_eq!(complained, "");
    assert!(!said.contains('\x1b'), "no colour where nobody looks: {said}");
    // Three of each: release 1 on nothing, 2 beside it, 1 again, 2 again, 3.
    assert_eq!(said.matches("  replica ").count(), 15, "{said}");
    assert_eq!(said.matches(" ms, ahead\n").count(), 3, "{said}");
    for count in [4, 4, 3] {
        assert!(said.contains(&format!("has applied {count} migrations")), "{said}");
    }
    for line in [" sent, 0 failed, ", "words are NOT NULL        true\n", " rows, in the background\n"] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
}

#[tokio::test]
async fn upgrades_and_terminations_can_be_repeated() {
    let (success, said, complained) = run(&["repeat", "--times", "2", "--rows", "4000", "--kill"]).await;
    assert!(success, "{said}{complained}");
    assert_eq!(said.matches("ready apart").count(), 2, "{said}");
    assert!(said.contains("failed requests           0\n"), "{said}");

    let (success, said, complained) =
        run(&["terminate", "--times", "2", "--rows", "1000", "--seed", "3"]).await;
    assert!(success, "{said}{complained}");
    assert_eq!(said.matches("told after").count(), 2, "{said}");
}

#[tokio::test]
async fn what_it_can_not_do_is_said_in_words_and_without_secrets() {
    for (arguments, expected) in [
        (&["serve", "--release", "4", "--database-url", "x"][..], "there are the releases 1, 2 and 3"),
        (
            &["serve", "--release", "1", "--database-url", "host=a passwort=geheim"],
            "DATABASE_URL is not a connection string",
        ),
    ] {
        let (success, said, complained) = run(arguments).await;
        assert!(!success, "{said}");
        assert!(complained.contains(expected), "{complained}");
        assert!(!complained.contains("geheim"), "{complained}");
    }
}
