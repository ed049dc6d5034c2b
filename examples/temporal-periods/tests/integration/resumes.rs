use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dunlin::{Direct, Progress, Report, Target};
use dunlin_backfill::Backfills;
use dunlin_test::Database;
use temporal_periods::period_zero::{Topics, Users};
use temporal_periods::{Checks, OLD_SCHEMA, TABLES_AND_VIEWS, definition, migrator};
use tokio::process::Command;
use tokio::sync::Notify;
use tokio_postgres::{Client, NoTls};

use crate::support::{filled, migrate, migrated, new_rows, number};

/// Migrates until this says that it is far enough, which it is asked whenever rows were counted: then it is dropped. Gives the
/// report if it has come to its end before.
async fn cut(
    database: &Database,
    is_far_enough: impl Fn(u64, u64) -> bool + Send + Sync + 'static,
) -> Option<Report> {
    let reached = Arc::new(Notify::new());
    let tell = reached.clone();
    let migrator = migrator().on_progress(move |progress| {
        if let Progress::Advanced { done, total, .. } = progress
            && is_far_enough(done, total)
        {
            tell.notify_one();
        }
    });
    let config = database.config();
    tokio::select! {
        biased;
        () = reached.notified() => None,
        report = dunlin::migrate(&config, NoTls, &migrator) => Some(report.unwrap()),
    }
}

#[tokio::test]
async fn wherever_it_is_dropped_the_next_run_makes_of_it_what_one_run_makes() {
    let (_whole, client) = migrated(3_000).await;
    let expected = new_rows(&client).await;

    for cut_at in 1.. {
        let (database, mut client) = filled(3_000).await;
        let counted = AtomicU64::new(0);
        let ended = cut(&database, move |_, _| counted.fetch_add(1, Ordering::Relaxed) + 1 == cut_at).await;

        let report = migrate(&database, Target::Latest).await.unwrap();

        assert_eq!(new_rows(&client).await, expected, "cut at {cut_at}");
        assert_eq!(Checks::run(&mut client).await.unwrap().failed().count(), 0, "cut at {cut_at}");
        if ended.is_some() {
            assert!(cut_at > 6, "there are three parts, of some batches each");
            assert_eq!(report.applied().count(), 0);
            return;
        }
    }
}

#[tokio::test]
async fn dropped_at_half_it_can_be_taken_back_and_be_begun_anew() {
    let (_whole, client) = migrated(5_000).await;
    let expected = new_rows(&client).await;
    let (database, mut client) = filled(5_000).await;
    let before = definition(&database).await.unwrap();

    let ended = cut(&database, |done, total| total >= 5_000 && done * 2 >= total && done < total).await;
    assert!(ended.is_none());
    assert!(
        number(&client, "SELECT count(*) FROM contents WHERE analysis_period_id IS NOT NULL").await > 1_000
    );
    let report = migrate(&database, OLD_SCHEMA).await.unwrap();
    assert_eq!(definition(&database).await.unwrap(), before, "{report}");

    migrate(&database, Target::Latest).await.unwrap();
    assert_eq!(new_rows(&client).await, expected);
    assert_eq!(Checks::run(&mut client).await.unwrap().failed().count(), 0);
}

#[tokio::test]
async fn a_process_that_is_killed_at_half_costs_nothing_but_its_time() {
    let (_whole, client) = migrated(20_000).await;
    let expected = new_rows(&client).await;
    let (database, mut client) = filled(20_000).await;
    let mut other = database.connect().await.unwrap();
    migrate(&database, TABLES_AND_VIEWS).await.unwrap();
    // Beside the service, as another program may. It would wait for the transaction that is to come.
    let backfills = Backfills::new(migrator(), Direct::new(database.config(), NoTls));
    backfills.run("period_zero:topics", &Topics).await.unwrap();
    backfills.run("period_zero:users", &Users).await.unwrap();
    // It gets no further than a row that somebody else has locked.
    let lock = other.transaction().await.unwrap();
    lock.execute("SELECT FROM contents WHERE id = 10000 FOR UPDATE", &[]).await.unwrap();

    let mut child = program(&database, "migrate").spawn().unwrap();
    linked(&client, 5_000, || assert!(child.try_wait().unwrap().is_none(), "it has ended before")).await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    lock.rollback().await.unwrap();
    let done = number(&client, "SELECT count(*) FROM contents WHERE analysis_period_id IS NOT NULL").await;
    assert!(done < 19_000, "{done}");

    let output = program(&database, "migrate").output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("1 applied in"), "{said}");
    assert_eq!(new_rows(&client).await, expected);
    assert_eq!(Checks::run(&mut client).await.unwrap().failed().count(), 0);
    // What is counted is counted once.
    let counted = "SELECT changed FROM dunlin_history_backfills WHERE name = 'period_zero:links'";
    let linked = "SELECT count(*) FROM contents WHERE analysis_period_id IS NOT NULL";
    assert_eq!(number(&client, counted).await, number(&client, linked).await);
}

#[tokio::test]
async fn what_the_crawler_brings_while_contents_are_linked_is_linked_and_counted() {
    let (database, mut client) = filled(2_000).await;
    migrate(&database, TABLES_AND_VIEWS).await.unwrap();
    let backfills = Backfills::new(migrator(), Direct::new(database.config(), NoTls));
    backfills.run("period_zero:topics", &Topics).await.unwrap();
    backfills.run("period_zero:users", &Users).await.unwrap();
    let mut other = database.connect().await.unwrap();
    let crawler = other.transaction().await.unwrap();
    crawler.execute("SELECT FROM contents WHERE id = 1900 FOR UPDATE", &[]).await.unwrap();
    // They have numbers that the backfill has passed when they can be seen. One is within period 0, the other after it.
    let found = "INSERT INTO contents (id, entity_type, entity_id, title, body, published_at)
        SELECT n, 'topic', 1, 'new', 'new', CASE n WHEN -1 THEN timestamptz '2024-06-01' ELSE '2040-01-01' END
        FROM unnest(ARRAY[-1, -2]) AS n";
    crawler.execute(found, &[]).await.unwrap();

    let boot = migrate(&database, Target::Latest);
    let crawl = async {
        linked(&client, 100, || ()).await;
        crawler.commit().await.unwrap();
    };
    let (booted, ()) = tokio::join!(boot, crawl);

    booted.unwrap();
    let new =
        "SELECT count(analysis_period_id) FROM contents WHERE title = 'new' AND published_at < '2040-01-01'";
    assert_eq!(number(&client, new).await, 1);
    let recounted = "SELECT changed FROM dunlin_history_backfills WHERE name = 'period_zero:counts'";
    assert_eq!(number(&client, recounted).await, 1);
    let later = "DELETE FROM contents WHERE title = 'new' AND analysis_period_id IS NULL";
    assert_eq!(client.execute(later, &[]).await.unwrap(), 1);
    assert_eq!(Checks::run(&mut client).await.unwrap().failed().count(), 0);
}

fn program(database: &Database, command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_temporal-periods"));
    program.arg(command).env("DATABASE_URL", database.url()).kill_on_drop(true);
    program.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    program
}

/// Waits until so many contents are linked.
async fn linked(client: &Client, count: i64, mut look: impl FnMut()) {
    let linked = "SELECT count(*) FROM contents WHERE analysis_period_id IS NOT NULL";
    let wait = async {
        while number(client, linked).await < count {
            look();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}
