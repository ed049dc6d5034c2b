use dunlin::{ErrorKind, State, Target};
use dunlin_test::Database;
use temporal_periods::{Checks, LAYER, OLD_SCHEMA, catalog, definition, migrator};
use tokio_postgres::Client;

use crate::support::{causes, filled, migrate, new_rows, old_rows};

/// What `pg_dump` says, what the catalog says, and the rows.
async fn everything(database: &Database, client: &Client) -> (String, Vec<String>) {
    (definition(database).await.unwrap(), old_rows(client).await)
}

#[tokio::test]
async fn rollback_by_three_restores_the_old_schema_byte_for_byte_and_up_works_again() {
    let (database, mut client) = filled(1_000).await;
    let (before, old) = (everything(&database, &client).await, catalog(&client).await.unwrap());
    assert!(before.0.contains("chat_messages"));
    let mut first = None;

    for _ in 0..2 {
        migrate(&database, Target::Latest).await.unwrap();
        assert_ne!(definition(&database).await.unwrap(), before.0);
        assert_eq!(Checks::run(&mut client).await.unwrap().failed().count(), 0);
        let filled = new_rows(&client).await;
        assert_eq!(*first.get_or_insert(filled.clone()), filled, "the same again");

        let report = migrate(&database, Target::Relative(-LAYER)).await.unwrap();

        assert_eq!((report.reverted().count(), report.state()), (3, State::Behind));
        assert_eq!(everything(&database, &client).await, before);
        assert_eq!(catalog(&client).await.unwrap(), old);
    }
}

#[tokio::test]
async fn an_extension_that_was_there_before_stays() {
    let (database, client) = filled(10).await;
    client
        .batch_execute("CREATE EXTENSION pg_trgm; CREATE INDEX found_by_words ON contents USING gin (title gin_trgm_ops)")
        .await
        .unwrap();
    let before = everything(&database, &client).await;

    migrate(&database, Target::Latest).await.unwrap();
    migrate(&database, OLD_SCHEMA).await.unwrap();

    assert_eq!(everything(&database, &client).await, before);
}

#[tokio::test]
async fn what_was_analyzed_since_is_not_dropped_without_a_word() {
    let (database, client) = filled(10).await;
    migrate(&database, Target::Latest).await.unwrap();
    client
        .batch_execute(
            "INSERT INTO analysis_periods (entity_type, entity_id, period_number, started_at, ended_at) VALUES ('topic', 1, 1, '2026-01-01', '2026-02-01');
            INSERT INTO temporal_events (entity_type, entity_id, title, occurred_at) VALUES ('topic', 1, 'a storm', '2026-01-05')",
        )
        .await
        .unwrap();
    let (before, filled) = (everything(&database, &client).await, new_rows(&client).await);

    let error = migrate(&database, Target::Relative(-LAYER)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Migration);
    let text = causes(&error);
    assert!(
        text.contains(
            "1 later periods would be lost, and 1 events, snapshots and crawls: export or delete them first"
        ),
        "{text}"
    );
    assert_eq!(everything(&database, &client).await, before, "nothing is taken back");
    // That of the backfill has forgotten what it did, which the next boot looks after.
    assert_eq!(migrator().status(&client).await.unwrap().state(), State::Behind);
    assert_eq!(migrate(&database, Target::Latest).await.unwrap().applied().count(), 1);
    assert_eq!((everything(&database, &client).await, new_rows(&client).await), (before, filled));
}

#[tokio::test]
async fn the_old_schema_is_never_taken_back() {
    let (database, client) = filled(10).await;
    migrate(&database, Target::Latest).await.unwrap();
    let before = everything(&database, &client).await;

    let error = migrate(&database, Target::Relative(-LAYER - 1)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Irreversible);
    assert_eq!(everything(&database, &client).await, before);
}
