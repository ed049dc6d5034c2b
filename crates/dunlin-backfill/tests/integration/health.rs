//! A backfill waits while the database has enough to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dunlin_backfill::{
    ActiveSessions, Autovacuum, Backfill, Backfills, Change, Checkup, ErrorKind, Health, OldestTransaction,
    ReplicaLag, Row, RowError, Settings, Signal, Source, WalRate,
};

use crate::support::{backfills, number, people};

#[derive(Row)]
struct Name {
    first: String,
}

#[derive(Change)]
struct Whole {
    whole: String,
}

struct Fill(Health);

impl Backfill for Fill {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        Settings::default().batch_time(Duration::from_millis(10)).health(self.0.clone())
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        Ok(Some(Whole { whole: name.first.clone() }))
    }
}

/// A switch that somebody else has.
struct Busy(Arc<AtomicBool>);

#[async_trait::async_trait]
impl Signal for Busy {
    fn name(&self) -> &'static str {
        "switch"
    }

    async fn check(&self, _: &Checkup<'_>) -> Result<Option<String>, tokio_postgres::Error> {
        Ok(self.0.load(Ordering::Relaxed).then(|| "somebody said so".to_owned()))
    }
}

fn often() -> Health {
    Health::none().every(Duration::from_millis(1))
}

async fn until_it_waits(backfills: &Backfills) -> String {
    let began = Instant::now();
    loop {
        let waits_for = backfills.status().await.unwrap().first().and_then(|status| status.waits_for.clone());
        if let Some(why) = waits_for {
            return why;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it does not wait");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

const LEFT: &str = "SELECT count(*) FROM people WHERE whole IS NULL";

#[tokio::test]
async fn f62_it_waits_while_a_signal_says_so_and_tells_why() {
    let (database, client) = people(3_000).await;
    let busy = Arc::new(AtomicBool::new(true));
    let (work, operator) = (backfills(&database), backfills(&database));
    let health = often().with(Busy(busy.clone()));
    let work = tokio::spawn(async move { work.run("fill", &Fill(health)).await });

    assert_eq!(until_it_waits(&operator).await, "somebody said so");
    let status = operator.status().await.unwrap().remove(0);
    assert!(status.to_string().ends_with(", waits: somebody said so"), "{status}");
    assert_eq!(number(&client, LEFT).await, 3_000);
    busy.store(false, Ordering::Relaxed);

    let report = work.await.unwrap().unwrap();
    assert_eq!((report.changed, number(&client, LEFT).await), (3_000, 0));
    assert!(report.slept.get("switch").is_some_and(|slept| *slept > Duration::ZERO), "{report}");
    assert!(report.to_string().contains(" of it waiting for switch"), "{report}");
    assert_eq!(operator.status().await.unwrap().remove(0).waits_for, None);
}

#[tokio::test]
async fn f62_it_waits_for_an_old_snapshot() {
    let (database, client) = people(500).await;
    let old = database.connect().await.unwrap();
    old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM people").await.unwrap();
    let (work, operator) = (backfills(&database), backfills(&database));
    let health = often().with(OldestTransaction::age(Duration::ZERO));
    let work = tokio::spawn(async move { work.run("fill", &Fill(health)).await });

    let why = until_it_waits(&operator).await;
    assert!(why.starts_with("process ") && why.contains(" has held a snapshot for "), "{why}");
    old.batch_execute("COMMIT").await.unwrap();

    work.await.unwrap().unwrap();
    assert_eq!(number(&client, LEFT).await, 0);
}

#[tokio::test]
async fn who_waits_can_be_cancelled() {
    let (database, _) = people(500).await;
    let (work, operator) = (backfills(&database), backfills(&database));
    let health = often().with(Busy(Arc::new(AtomicBool::new(true))));
    let work = tokio::spawn(async move { work.run("fill", &Fill(health)).await });
    until_it_waits(&operator).await;

    operator.cancel("fill").await.unwrap();

    assert_eq!(work.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
}

/// Says whether one signal was content.
struct Seen<S>(S, Arc<AtomicBool>);

#[async_trait::async_trait]
impl<S: Signal> Signal for Seen<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn check(&self, checkup: &Checkup<'_>) -> Result<Option<String>, tokio_postgres::Error> {
        let checked = self.0.check(checkup).await;
        self.1.store(checked.as_ref().is_ok_and(Option::is_none), Ordering::Relaxed);
        checked
    }
}

#[tokio::test]
async fn a_server_with_nothing_to_do_is_content() {
    let (database, _) = people(10).await;
    let seen: [Arc<AtomicBool>; 5] = Default::default();
    let all = often()
        .with(Seen(ReplicaLag::bytes(0), seen[0].clone()))
        .with(Seen(Autovacuum, seen[1].clone()))
        .with(Seen(OldestTransaction::age(Duration::from_secs(3_600)), seen[2].clone()))
        .with(Seen(WalRate::bytes_per_second(u64::MAX), seen[3].clone()))
        .with(Seen(ActiveSessions::most(1_000), seen[4].clone()));

    let report = backfills(&database).run("fill", &Fill(all)).await.unwrap();

    assert!(report.slept.is_empty(), "{report}");
    let content: Vec<bool> = seen.iter().map(|seen| seen.load(Ordering::Relaxed)).collect();
    assert_eq!(content, [true; 5]);
}

#[tokio::test]
async fn its_workers_rest_while_others_are_at_work_in_the_database_unless_told_not_to() {
    for yields in [true, false] {
        let (database, client) = people(5_000).await;
        let busy = database.connect().await.unwrap();
        let sleeping = tokio::spawn(async move { busy.batch_execute("SELECT pg_sleep(600)").await });
        let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' \
                      AND datname = current_database() AND pid <> pg_backend_pid()";
        while number(&client, active).await == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        let report = backfills(&database).run("fill", &Fill(Health::none().yields(yields))).await.unwrap();

        assert_eq!(report.slept.contains_key("other sessions"), yields, "{report}");
        assert_eq!(report.changed, 5_000);
        sleeping.abort();
    }
}
