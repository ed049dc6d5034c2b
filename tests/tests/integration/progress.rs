//! What is told of a run: to its observers, to who traces, and by the event log.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dunlin::{Migrator, Progress, Target};
use tests::database;
use tokio_postgres::NoTls;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::support::{outside, texts};

#[tokio::test]
async fn all_observers_are_told_and_a_plan_comes_before_its_migrations() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let told = [Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new()))];
    let mut migrator = Migrator::new(texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int)"]));
    for lines in &told {
        let lines = Arc::clone(lines);
        migrator = migrator.on_progress(move |progress| {
            let line = match progress {
                Progress::Planned { plan, .. } => format!("{} planned", plan.steps().len()),
                Progress::Started { id, .. } => format!("{} started", id.version()),
                Progress::Finished { id, .. } => format!("{} finished", id.version()),
                other => format!("{other:?}"),
            };
            lines.lock().unwrap().push(line);
        });
    }
    migrator.run(&mut client, Target::Latest).await.unwrap();
    for lines in told {
        let lines = lines.lock().unwrap().join(", ");
        assert_eq!(lines, "2 planned, 1 started, 2 started, 1 finished, 2 finished");
    }
}

#[tokio::test]
async fn who_holds_the_lock_is_named_after_a_second() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let text = outside("SELECT pg_sleep(60)");
    let (mut config, set) = (database.config(), texts(&[&text]));
    config.application_name("orders 7");
    let working = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &Migrator::new(set)).await });
    let sleeping =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let pid: i32 = loop {
        if let Some(row) = client.query_opt(sleeping, &[]).await.unwrap() {
            break row.get(0);
        }
    };
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let migrator = Migrator::new(texts(&[&text])).on_progress(move |progress| {
        if let Progress::WaitingForLock { waited, holder: Some(holder), .. } = progress {
            let _ = tell.send((waited, holder.pid(), holder.to_string()));
        }
    });
    let config = database.config();
    let waiting = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });
    let (waited, holder, text) =
        tokio::time::timeout(Duration::from_secs(30), told.recv()).await.unwrap().unwrap();
    assert!(waited >= Duration::from_secs(1) && holder == pid);
    assert!(text.starts_with(&format!("pid {pid}, application `orders 7`, ")), "{text}");
    assert!(text.contains("connected for") && !text.contains("pg_sleep"), "{text}");
    waiting.abort();
    working.abort();
}

#[tokio::test]
async fn the_event_log_is_read_newest_last_and_there_need_be_none() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(texts(&["SELECT 1", "SELECT 2", "SELECT 1 / 0"])).application("orders 7");
    assert!(migrator.events(&client, 10).await.unwrap().is_empty());
    migrator.run(&mut client, Target::Latest).await.unwrap_err();
    let events = migrator.events(&client, 2).await.unwrap();
    let told: Vec<_> =
        events.iter().map(|entry| (entry.id().version(), entry.event(), entry.code())).collect();
    assert_eq!(told, [(2, "applied", None), (3, "failed", Some("22012"))]);
    assert!(events.iter().all(|entry| entry.application() == Some("orders 7")));
    assert_eq!(events[0].run_id(), events[1].run_id());
    assert!(events[0].at() <= events[1].at());
}

/// The spans that have come to their end, with their fields.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(String, Fields)>>>);

#[derive(Clone, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").replace('"', ""));
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        values.record(extensions.get_mut::<Fields>().unwrap());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        let fields = span.extensions().get::<Fields>().cloned().unwrap_or_default();
        let path: Vec<_> = span.scope().from_root().map(|span| span.name()).collect();
        self.0.lock().unwrap().push((path.join(" / "), fields));
    }
}

#[test]
fn a_run_is_a_span_with_a_span_for_the_lock_and_for_each_migration() {
    // Where there is one subscriber alone, tracing asks that of whichever thread comes to a span first: here another test's, which has none.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let database = database().await;
            let set = texts(&["CREATE TABLE a (id int)", &outside("SELECT 1"), "SELECT 1 / 0"]);
            let migrator = Migrator::new(set).application("orders 7");
            dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap_err();
        });
    });
    let documented = include_str!("../../../crates/dunlin/docs/observability.md");
    let mut lines = Vec::new();
    for (path, Fields(fields)) in spans.0.lock().unwrap().iter().filter(|(path, _)| path.contains("dunlin")) {
        let name = path.rsplit(" / ").next().unwrap();
        for field in fields.keys() {
            assert!(documented.contains(&format!("`{field}`")), "{name} has {field}");
        }
        assert!(documented.contains(&format!("`{name}`")), "{name}");
        let told = fields.iter().filter(|(field, _)| !["run_id", "took_us"].contains(field));
        let told: Vec<_> = told.map(|(field, value)| format!("{field}={value}")).collect();
        lines.push(format!("{path}: {}", told.join(" ")).trim_end().to_owned());
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    dunlin.run / dunlin.lock:
    dunlin.run / dunlin.migration: direction=up in_transaction=true name=m1 outcome=applied version=1
    dunlin.run / dunlin.migration: direction=up in_transaction=false name=m2 outcome=applied version=2
    dunlin.run / dunlin.migration: direction=up in_transaction=true name=m3 otel.status_code=ERROR outcome=failed version=3
    dunlin.run: application=orders 7 applied=2 flights=14 history=public.dunlin_history lock_waited_us=0 otel.status_code=ERROR outcome=failed retries=0 reverted=0
    ");
}
