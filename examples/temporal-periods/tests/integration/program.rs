//! The program itself, run as a stranger runs it.

use std::process::{Command, Output};

use dunlin_test::Server;

async fn run(database_url: Option<String>, arguments: &'static [&'static str]) -> (bool, String, String) {
    let run = move || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_temporal-periods"));
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
    let (success, said, complained) =
        run(std::env::var("DATABASE_URL").ok(), &["--contents", "2000", "--seed", "3"]).await;

    assert!(success, "{said}{complained}");
    assert_eq!(complained, "");
    assert!(!said.contains('\x1b'), "no colour where nobody looks: {said}");
    assert_eq!(said.matches("\n  ok     ").count(), 19);
    for line in [
        "contents            2000, ",
        "  first refresh             plainly",
        "  second refresh            concurrently",
        "  3 reverted in",
        "  the old schema            as before, byte for byte\n",
    ] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
}

#[tokio::test]
async fn the_commands_work_on_the_database_of_database_url() {
    let database = Server::shared().await.unwrap().create_database().await.unwrap();
    let commands: [(&'static [&'static str], &str); 13] = [
        (&["generate", "--contents", "500"], "contents             500, "),
        (&["dry-run"], "backfill period_zero:topics, dry run: of 10 rows"),
        (&["status"], "behind: 4 applied, 1 pending"),
        (&["migrate"], "1 applied in"),
        (&["migrate"], "nothing to do"),
        (&["status"], "period_zero:links finished: 500 of about 500 rows (100 %)"),
        (&["verify"], "3 verified"),
        (&["refresh"], "plainly"),
        (&["refresh"], "concurrently"),
        (&["rollback"], "3 reverted in"),
        (&["rollback"], "nothing to do"),
        (&["migrate"], "3 applied in"),
        (&["verify"], "ok     contents of topics and users, that are linked"),
    ];
    for (arguments, expected) in commands {
        let (success, said, complained) = run(Some(database.url()), arguments).await;
        assert!(success, "{arguments:?}: {said}{complained}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }

    let client = database.connect().await.unwrap();
    client.batch_execute("UPDATE contents SET analysis_period_id = NULL WHERE id = 1").await.unwrap();
    let (success, said, complained) = run(Some(database.url()), &["verify"]).await;
    assert!(!success, "{said}");
    assert!(
        complained.contains(
            "backfill period_zero:links: 1 rows still have to be changed, the first with the key (1)"
        ),
        "{complained}"
    );
    let mend = "UPDATE contents SET analysis_period_id = last_period_id FROM topics WHERE contents.id = 1 AND topics.id = 4";
    client.batch_execute(mend).await.unwrap();
    client.batch_execute("UPDATE topics SET total_periods = 9 WHERE id = 1").await.unwrap();
    let (success, said, complained) = run(Some(database.url()), &["verify"]).await;
    assert!(!success && complained.contains("1 of 19 checks have failed"), "{said}{complained}");
    assert!(
        said.contains("WRONG  topics whose columns are not what their periods say           1, should be 0"),
        "{said}"
    );
}

#[tokio::test]
async fn what_it_can_not_do_is_said_in_words_and_in_the_exit_code() {
    let nowhere = || Some("postgres://nobody@127.0.0.1:1/nothing".to_owned());
    let empty = Server::shared().await.unwrap().create_database().await.unwrap();
    let full = Server::shared().await.unwrap().create_database().await.unwrap();
    assert!(run(Some(full.url()), &["generate", "--contents", "10"]).await.0);
    let cases: [(Option<String>, &'static [&'static str], &str); 11] = [
        (None, &["migrate"], "set DATABASE_URL"),
        (Some("nonsense".to_owned()), &["status"], "DATABASE_URL is not a connection string"),
        (nowhere(), &["status"], "refused"),
        (None, &["migrte"], "unrecognized subcommand 'migrte'"),
        (None, &["--contents", "9"], "9 is not in 10..=1000000"),
        (None, &["--contents", "1000001"], "1000001 is not in 10..=1000000"),
        (None, &["run", "--contents", "many"], "invalid value 'many' for '--contents <CONTENTS>'"),
        (None, &["--seed", "-1"], "unexpected argument '-1'"),
        (Some(empty.url()), &["refresh"], "the database is behind: migrate first"),
        (Some(empty.url()), &["verify"], "the database is behind: migrate first"),
        (Some(full.url()), &["generate"], "the database has 10 contents already"),
    ];
    for (url, arguments, expected) in cases {
        let (success, said, complained) = run(url, arguments).await;
        assert!(!success, "{arguments:?}: {said}");
        assert!(complained.contains(expected), "{arguments:?}: {complained}");
        assert_eq!(said, "", "{arguments:?}");
    }
}
