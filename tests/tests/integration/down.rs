//! Going back: to every target, in the order of application, and never half.

use dunlin::{ErrorKind, MigrationSet, Migrator, OutOfOrder, State, Target};
use tests::database;

use crate::support::{events, exists, history, left_behind, migration, run};

fn reversible(versions: &[i64]) -> MigrationSet {
    let table =
        |n: &i64| migration(*n, &format!("CREATE TABLE t{n} (id int)"), &format!("DROP TABLE t{n}"), None);
    let set = versions.iter().fold(MigrationSet::builder(), |set, version| set.migration(table(version)));
    set.build().unwrap()
}

#[tokio::test]
async fn every_target_is_reached_and_the_fast_path_agrees() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(reversible(&[1, 2, 3, 4]));
    for (target, expected) in [
        (Target::Version(2), "1 applied, 2 applied"),
        (Target::Latest, "1 applied, 2 applied, 3 applied, 4 applied"),
        (Target::Relative(-3), "1 applied"),
        (Target::Relative(2), "1 applied, 2 applied, 3 applied"),
        (Target::Version(1), "1 applied"),
        (Target::Base, ""),
        (Target::Latest, "1 applied, 2 applied, 3 applied, 4 applied"),
    ] {
        migrator.run(&mut client, target).await.unwrap();
        assert_eq!(history(&client).await, expected, "{target}");
        for n in 1..=4 {
            assert_eq!(
                exists(&client, &format!("t{n}")).await,
                expected.contains(&format!("{n} ")),
                "{target}: t{n}"
            );
        }
        let again = migrator
            .run(&mut client, if let Target::Relative(_) = target { Target::Relative(0) } else { target });
        assert_eq!(again.await.unwrap().flights(), 1, "{target}");
        assert_eq!(left_behind(&client).await, (0, 0));
    }
    let last = events(&client).await;
    assert!(last.contains("4 reverted, 3 reverted, 2 reverted"), "{last}");
}

#[tokio::test]
async fn down_walks_the_order_of_application() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, reversible(&[1, 3])).await.unwrap();
    let migrator = Migrator::new(reversible(&[1, 2, 3])).out_of_order(OutOfOrder::Allow);
    migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(history(&client).await, "1 applied, 3 applied, 2 applied");
    let report = migrator.run(&mut client, Target::Version(1)).await.unwrap();
    let reverted: Vec<_> = report.reverted().map(|done| done.id().version()).collect();
    assert_eq!(reverted, [2, 3]);
}

#[tokio::test]
async fn taking_one_out_of_the_middle_leaves_a_history_that_boots() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, reversible(&[1, 3])).await.unwrap();
    let all = Migrator::new(reversible(&[1, 2, 3])).out_of_order(OutOfOrder::Allow);
    all.run(&mut client, Target::Latest).await.unwrap();
    // 3 was applied before 2, and goes alone.
    let report = all.run(&mut client, Target::Version(2)).await.unwrap();
    assert_eq!(report.reverted().count(), 1);
    let report = run(&mut client, reversible(&[1, 2])).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));
    // The set of three is behind by one: the digest of the newest row was mended.
    assert_eq!(run(&mut client, reversible(&[1, 2, 3])).await.unwrap().applied().count(), 1);
}

#[tokio::test]
async fn an_irreversible_migration_is_refused_before_the_first_statement() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = MigrationSet::builder().sql(1, "one_way", "CREATE TABLE t1 (id int)");
    let set = set.migration(migration(2, "CREATE TABLE t2 (id int)", "DROP TABLE t2", None)).build().unwrap();
    run(&mut client, set.clone()).await.unwrap();
    let error = Migrator::new(set).run(&mut client, Target::Base).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Irreversible);
    assert!(exists(&client, "t2").await);
    assert_eq!(history(&client).await, "1 applied, 2 applied");
}

#[tokio::test]
async fn a_down_that_fails_is_undone_and_named() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let broken = migration(2, "CREATE TABLE t2 (id int)", "DROP TABLE t2;\nDROP TABLE t22", None);
    let good =
        |n: i64| migration(n, &format!("CREATE TABLE t{n} (id int)"), &format!("DROP TABLE t{n}"), None);
    let set =
        MigrationSet::builder().migration(good(1)).migration(broken).migration(good(3)).build().unwrap();
    run(&mut client, set.clone()).await.unwrap();
    let error = Migrator::new(set).run(&mut client, Target::Base).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"reverting migration 2 (m2) failed at 2_m2.down.sql:2:1: table "t22" does not exist (SQLSTATE 42P01); nothing of it remains: mend it and run again (one migration was done before it)"#);
    assert_eq!(error.report().reverted().count(), 1);
    assert_eq!(history(&client).await, "1 applied, 2 applied");
    assert!(exists(&client, "t2").await);
}

#[tokio::test]
async fn a_way_back_outside_a_transaction_has_taken_its_time() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let down = "-- dunlin: no-transaction\nSELECT pg_sleep(0.02); DROP TABLE t1";
    let table = migration(1, "CREATE TABLE t1 (id int)", down, None);
    let migrator = Migrator::new(MigrationSet::builder().migration(table).build().unwrap());
    migrator.run(&mut client, Target::Latest).await.unwrap();
    let report = migrator.run(&mut client, Target::Base).await.unwrap();
    let took: Vec<_> = report.reverted().map(|done| done.took()).collect();
    assert!(took.len() == 1 && took[0] >= std::time::Duration::from_millis(20), "{report}");
}
