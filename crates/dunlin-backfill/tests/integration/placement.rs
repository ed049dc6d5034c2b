//! When the rows are written, and what waits for them.

use std::time::Duration;

use dunlin_backfill::{Backfill, Change, Down, Placement, Row, RowError, Settings, Source};
use dunlin_core::{
    BoxError, Context, Direct, Error, ErrorKind, Gate, MigrationSet, Migrator, Progress, RustMigration,
    Target,
};
use dunlin_test::Database;
use insta::assert_snapshot;
use tokio_postgres::{Client, NoTls};

use crate::support::{PEOPLE, backfills, causes, database, number, people};

#[derive(Row)]
struct Name {
    first: String,
}

#[derive(Change)]
struct Whole {
    whole: String,
}

/// Says so much about when.
struct Fill(Placement);

#[dunlin_backfill::migration]
impl Backfill for Fill {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        Settings::default().placement(self.0).batch_time(Duration::from_millis(10))
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        match name.first.as_str() {
            "?" => Err(RowError::new("unknown")),
            first => Ok(Some(Whole { whole: first.to_owned() })),
        }
    }

    fn down(&self) -> Down {
        Down::nothing()
    }
}

/// What can't do without.
const CONTRACT: &str =
    "-- dunlin: requires-backfill = fill\nALTER TABLE people ALTER COLUMN whole SET NOT NULL";

fn fill(placement: Placement) -> Migrator {
    Migrator::new(MigrationSet::builder().rust(1, "fill", Fill(placement)).build().unwrap())
}

fn gated(placement: Placement, gate: Gate) -> Migrator {
    let set = MigrationSet::builder().rust(1, "fill", Fill(placement)).sql(2, "contract", CONTRACT);
    Migrator::new(set.build().unwrap()).gate(gate)
}

fn direct(database: &Database) -> Direct<NoTls> {
    Direct::new(database.config(), NoTls)
}

async fn boot(database: &Database, migrator: &Migrator) -> Result<Vec<i64>, Error> {
    let report = dunlin_core::migrate(&database.config(), NoTls, migrator).await?;
    Ok(report.applied().map(|done| done.id().version()).collect())
}

/// The versions of what was finished.
async fn finish(database: &Database, migrator: &Migrator) -> Result<Vec<i64>, Error> {
    let finished = migrator.finish_backfills(&direct(database)).await?;
    Ok(finished.iter().map(|id| id.version()).collect())
}

const LEFT: &str = "SELECT count(*) FROM people WHERE whole IS NULL";
const REQUIRED: &str = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'people'::regclass AND attname = 'whole' AND attnotnull";

/// The events, without what is not the same each time.
async fn events(client: &Client) -> String {
    let sql = "SELECT version || ' ' || event || coalesce(' ' || (detail - 'took_us' - 'batches' - 'slept_us')::text, '') \
               FROM dunlin_history_events ORDER BY id";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, &str>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_is_put_off_is_done_after_the_boot() {
    let (database, mut client) = people(3_000).await;
    let migrator = fill(Placement::PutOff);
    assert_eq!(boot(&database, &migrator).await.unwrap(), [1]);
    assert_eq!(number(&client, LEFT).await, 3_000);
    assert_eq!(boot(&database, &migrator).await.unwrap(), [0; 0], "it is applied");
    let error = migrator.verify(&mut client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert_snapshot!(causes(&error), @"1 of 1 migrations do not verify: 1 (fill): its Rust code says so: backfill fill: 3000 rows still have to be changed, the first with the key (10): it is not finished, `Migrator::finish_backfills` works on it until it is");

    assert_eq!(finish(&database, &migrator).await.unwrap(), [1]);
    assert_eq!(number(&client, LEFT).await, 0);
    migrator.verify(&mut client).await.unwrap();
    assert_eq!(finish(&database, &migrator).await.unwrap(), [0; 0]);
    assert_snapshot!(events(&client).await, @r#"
        1 started
        1 applied
        1 backfilled {"changed": 3000, "failure": null, "retried": 0, "backfill": "fill", "processed": 3000, "quarantined": 0}
        "#);
}

#[tokio::test]
async fn a_boot_works_on_it_for_as_long_as_it_was_given() {
    let (database, client) = people(20_000).await;
    let migrator = fill(Placement::InlineFor(Duration::from_millis(1)));
    assert_eq!(boot(&database, &migrator).await.unwrap(), [1]);
    assert!(number(&client, LEFT).await > 0, "a millisecond is not enough");
    assert_eq!(finish(&database, &migrator).await.unwrap(), [1]);
    assert_eq!(number(&client, LEFT).await, 0);

    let (database, client) = people(1_000).await;
    let migrator = fill(Placement::InlineFor(Duration::from_secs(600)));
    assert_eq!(boot(&database, &migrator).await.unwrap(), [1]);
    assert_eq!(number(&client, LEFT).await, 0);
    assert_eq!(finish(&database, &migrator).await.unwrap(), [0; 0]);
}

#[tokio::test]
async fn a_program_says_it_for_all_backfills() {
    let (database, client) = people(1_000).await;
    let migrator = fill(Placement::PutOff).resource(Placement::Inline);
    assert_eq!(boot(&database, &migrator).await.unwrap(), [1]);
    assert_eq!(number(&client, LEFT).await, 0);
}

#[tokio::test]
async fn a_gate_finishes_what_is_required() {
    let (database, client) = people(3_000).await;
    let (told, gates) = std::sync::mpsc::channel();
    let migrator = gated(Placement::PutOff, Gate::Finish).on_progress(move |progress| {
        if let Progress::Gated { id, backfill, .. } = progress {
            told.send(format!("{id} waits for {backfill}")).unwrap();
        }
    });
    assert_eq!(boot(&database, &migrator).await.unwrap(), [1, 2]);
    assert_eq!(number(&client, REQUIRED).await, 1);
    assert_eq!(gates.try_iter().collect::<Vec<_>>(), ["2 (contract) waits for 1 (fill)"]);
    assert_snapshot!(events(&client).await, @r#"
        1 started
        1 applied
        1 backfilled {"changed": 3000, "failure": null, "retried": 0, "backfill": "fill", "processed": 3000, "quarantined": 0}
        2 applied
        "#);
}

#[tokio::test]
async fn a_gate_that_is_open_costs_nothing_but_a_look() {
    let (database, client) = people(1_000).await;
    assert_eq!(boot(&database, &gated(Placement::Inline, Gate::Refuse)).await.unwrap(), [1, 2]);
    assert_eq!(number(&client, REQUIRED).await, 1);
}

#[tokio::test]
async fn a_gate_refuses_until_it_is_finished() {
    let (database, client) = people(1_000).await;
    let migrator = gated(Placement::PutOff, Gate::Refuse);
    let error = boot(&database, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gate);
    assert_eq!(error.report().applied().count(), 1);
    assert_snapshot!(causes(&error), @"migration 2 (contract) requires the backfill 1 (fill), which is not finished: finish it with `Migrator::finish_backfills`, or run with `Gate::Finish` (one migration was done before it)");
    assert_eq!(number(&client, LEFT).await, 1_000);

    assert_eq!(finish(&database, &migrator).await.unwrap(), [1]);
    assert_eq!(boot(&database, &migrator).await.unwrap(), [2]);
    assert_eq!(number(&client, REQUIRED).await, 1);
}

#[tokio::test]
async fn a_gate_waits_for_others_but_not_for_ever() {
    let (database, client) = people(1_000).await;
    let migrator = gated(Placement::PutOff, Gate::Wait).deadline(Duration::from_millis(300));
    let error = boot(&database, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gate);
    assert_snapshot!(causes(&error), @"migration 2 (contract) requires the backfill 1 (fill), which nobody has finished within 300.0ms: finish it with `Migrator::finish_backfills`, or run with `Gate::Finish` (one migration was done before it)");

    let migrator = gated(Placement::PutOff, Gate::Wait);
    let (booted, finished) = tokio::join!(boot(&database, &migrator), finish(&database, &migrator));
    assert_eq!((booted.unwrap(), finished.unwrap()), (vec![2], vec![1]));
    assert_eq!(number(&client, REQUIRED).await, 1);
}

#[tokio::test]
async fn of_many_that_boot_at_once_all_come_up() {
    let (database, client) = people(5_000).await;
    let migrator = gated(Placement::PutOff, Gate::Finish);
    let boots = (0..6).map(|_| {
        let (database, migrator) = (database.config(), migrator.clone());
        tokio::spawn(async move { dunlin_core::migrate(&database, NoTls, &migrator).await.map(drop) })
    });
    let helper = finish(&database, &migrator);
    let (boots, helped) = tokio::join!(futures_util::future::join_all(boots), helper);
    helped.unwrap();
    boots.into_iter().for_each(|boot| boot.unwrap().unwrap());
    assert_eq!(number(&client, REQUIRED).await, 1);
    let sql = "SELECT count(*) FROM dunlin_history_events WHERE event IN ('applied', 'backfilled')";
    assert_eq!(number(&client, sql).await, 3, "each is written once");
}

#[tokio::test]
async fn a_gate_whose_boot_is_given_up_is_gone_through_by_the_next() {
    let (database, client) = people(50_000).await;
    let migrator = gated(Placement::PutOff, Gate::Finish);
    let booting = boot(&database, &migrator);
    let seen = async {
        while !matches!(number(&client, LEFT).await, 1..50_000) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        booted = booting => panic!("it was over too soon: {booted:?}"),
        () = seen => {}
    }
    assert_eq!(boot(&database, &migrator).await.unwrap(), [2]);
    assert_eq!(number(&client, REQUIRED).await, 1);
}

#[tokio::test]
async fn a_backfill_that_fails_keeps_its_gate_shut_and_says_why() {
    let (database, client) = people(1_000).await;
    client.batch_execute("UPDATE people SET first = '?'").await.unwrap();
    let migrator = gated(Placement::PutOff, Gate::Finish);
    let error = boot(&database, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gate);
    assert_snapshot!(causes(&error), @r#"migration 2 (contract) requires the backfill 1 (fill), which has failed: mend it and run again, which goes on (one migration was done before it): backfill fill: 1000 of 1000 rows are poison, more than its budget allows, the last one for "a value that can't be converted": "public"."dunlin_history_backfill_quarantine" has their keys. Mend the rows or `convert` and call `Backfills::retry_quarantined`, which goes on where it stopped; or raise `Settings::budget` and run again"#);
    assert_eq!(number(&client, REQUIRED).await, 0);
    assert_snapshot!(events(&client).await, @r#"
        1 started
        1 applied
        1 backfill_failed {"changed": 0, "failure": "1000 of 1000 rows are poison, more than its budget allows, the last one for \"a value that can't be converted\": \"public\".\"dunlin_history_backfill_quarantine\" has their keys. Mend the rows or `convert` and call `Backfills::retry_quarantined`, which goes on where it stopped; or raise `Settings::budget` and run again", "retried": 0, "backfill": "fill", "processed": 1000, "quarantined": 1000}
        2 failed
        "#);
    let error = finish(&database, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);

    client.batch_execute("UPDATE people SET first = 'mended'").await.unwrap();
    backfills(&database).retry_quarantined("fill", &Fill(Placement::Inline)).await.unwrap();
    assert_eq!(boot(&database, &migrator).await.unwrap(), [2]);
}

#[tokio::test]
async fn who_works_on_it_is_told_when_it_is_reverted() {
    let (database, client) = people(50_000).await;
    let migrator = fill(Placement::PutOff);
    boot(&database, &migrator).await.unwrap();
    let (config, other) = (database.config(), migrator.clone());
    let work = tokio::spawn(async move { other.finish_backfills(&Direct::new(config, NoTls)).await });
    while number(&client, LEFT).await == 50_000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    dunlin_core::migrate_to(&database.config(), NoTls, &migrator, Target::Base).await.unwrap();
    assert_snapshot!(causes(&work.await.unwrap().unwrap_err()), @"the backfill 1 (fill) failed: mend what has failed and call again, which goes on: backfill fill: its migration was reverted while it ran: apply it again to begin anew");
    let left = number(&client, LEFT).await;
    assert!(left > 0, "it was over before it was reverted");
    assert_eq!(number(&client, "SELECT count(*) FROM dunlin_history_backfills").await, 0);
}

/// The twin of the line in a SQL file.
struct Contract;

impl RustMigration for Contract {
    const REQUIRED_BACKFILLS: &'static [&'static str] = &["fill"];

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute("ALTER TABLE people ALTER COLUMN whole SET NOT NULL").await?)
    }
}

#[tokio::test]
async fn a_rust_migration_requires_it_as_well() {
    let (database, client) = people(1_000).await;
    let set = MigrationSet::builder().rust(1, "fill", Fill(Placement::PutOff)).rust(2, "contract", Contract);
    let migrator = Migrator::new(set.build().unwrap());
    assert_eq!(boot(&database, &migrator).await.unwrap(), [1, 2]);
    assert_eq!(number(&client, REQUIRED).await, 1);
}

#[tokio::test]
async fn a_client_of_the_callers_goes_through_a_gate() {
    let (_database, mut client) = people(1_000).await;
    let migrator = gated(Placement::PutOff, Gate::Finish);
    migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(number(&client, REQUIRED).await, 1);
}

#[tokio::test]
async fn a_stamped_backfill_is_finished_if_nothing_remains() {
    let (database, mut client) = database(PEOPLE).await;
    let migrator = gated(Placement::PutOff, Gate::Refuse);
    fill(Placement::PutOff).stamp(&mut client, Target::Latest).await.unwrap();
    client.batch_execute("INSERT INTO people VALUES (1, 'a', 'b')").await.unwrap();
    assert_eq!(boot(&database, &migrator).await.unwrap_err().kind(), ErrorKind::Gate);
    client.batch_execute("UPDATE people SET whole = 'a b'").await.unwrap();
    assert_eq!(boot(&database, &migrator).await.unwrap(), [2]);
}

#[test]
fn what_is_required_is_an_earlier_backfill() {
    let refused = |set: dunlin_core::MigrationSetBuilder| {
        let error = set.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Set);
        error.to_string()
    };
    let later = MigrationSet::builder().sql(1, "contract", CONTRACT).rust(2, "fill", Fill(Placement::Inline));
    let none = MigrationSet::builder().sql(1, "fill", "SELECT 1").sql(2, "contract", CONTRACT);
    assert_snapshot!([refused(later), refused(none)].join("\n"), @r"
        migration 1 (contract) requires the backfill `fill`, and the set has no migration of that name before it: write the name without the version
        migration 2 (contract) requires the backfill `fill`, which is no backfill: it is a migration that puts nothing off
        ");
}

#[tokio::test]
async fn rows_that_are_written_in_the_old_way_all_the_time_are_an_error_until_nobody_does() {
    let (database, client) = people(10).await;
    let old_way = "CREATE FUNCTION old_way() RETURNS trigger LANGUAGE plpgsql AS \
                   $$ BEGIN INSERT INTO people SELECT max(id) + 1, 'a', 'b' FROM people; RETURN NULL; END $$; \
                   CREATE TRIGGER old_way AFTER UPDATE ON people EXECUTE FUNCTION old_way()";
    client.batch_execute(old_way).await.unwrap();
    let (migrator, connect) = (fill(Placement::PutOff), Direct::new(database.config(), NoTls));
    migrator.run_through(&connect, Target::Latest).await.unwrap();

    // It does not pass when it is only called again.
    for _ in 0..2 {
        let error = migrator.finish_backfills(&connect).await.unwrap_err();
        assert!(causes(&error).contains("rows still have to be changed"), "{}", causes(&error));
        let [status] = &backfills(&database).status().await.unwrap()[..] else { panic!() };
        assert_eq!(status.state, dunlin_backfill::JobState::Failed);
    }
    client.batch_execute("DROP TRIGGER old_way ON people").await.unwrap();
    assert_eq!(migrator.finish_backfills(&connect).await.unwrap().len(), 1);
    assert_eq!(number(&client, "SELECT count(*) FROM people WHERE whole IS NULL").await, 0);
}
