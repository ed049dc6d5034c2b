//! What a start tells through the facade.

use std::collections::BTreeMap;

use dunlin_core::Migrator;
use dunlin_startup::Startup;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::support::{connect, database, texts};

#[test]
fn what_is_told_is_what_the_documentation_lists_and_true() {
    let recorder = DebuggingRecorder::new();
    let told = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let database = database().await;
            let set = texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int)"]);
            let startup = Startup::new(connect(&database), Migrator::new(set)).start();
            startup.wait_ready().await.unwrap();
        });
    });
    let mut values = BTreeMap::new();
    for (key, _, _, value) in told.snapshot().into_vec() {
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(gauge) => gauge.to_string(),
            DebugValue::Histogram(values) => format!("{} values", values.len()),
        };
        let documented = include_str!("../../docs/metrics.md");
        let name = key.key().name().to_owned();
        assert!(documented.contains(&format!("| `{name}` |")), "{name} is not in docs/metrics.md");
        values.insert(name, value);
    }
    assert_eq!(values.remove("dunlin_start_duration_seconds").map(|_| ()), Some(()));
    let values: Vec<_> = values.iter().map(|(name, value)| format!("{name} {value}")).collect();
    insta::assert_snapshot!(values.join("\n"), @"
    dunlin_failed 0
    dunlin_lock_wait_seconds 1 values
    dunlin_lock_waiting_seconds 0
    dunlin_migration_duration_seconds 2 values
    dunlin_migrations_applied 2
    dunlin_migrations_pending 0
    dunlin_migrations_total 2
    dunlin_ready 1
    dunlin_run_duration_seconds 1 values
    ");
}

#[test]
fn an_alert_asks_for_nothing_that_is_not_told() {
    let documented = include_str!("../../docs/metrics.md");
    let (_, rules) = documented.split_once("```yaml").unwrap();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names: Vec<_> = rules.split(|c| !is_part(c)).filter(|word| word.starts_with("dunlin_")).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(documented.contains(&format!("| `{name}` |")), "{name}");
    }
}
