use collection_snapshots::{Legacy, Table, migrator};
use dunlin::{ErrorKind, Target};
use tokio_postgres::error::SqlState;

use crate::{boot, database};

/// Every place where the script can have broken off, its end included.
fn every_old_database() -> impl Iterator<Item = Legacy> {
    (0..=Legacy::STATEMENTS).map(Legacy::Statements)
}

#[tokio::test]
async fn every_database_ends_with_the_same_table_and_then_there_is_nothing_to_do() {
    let (fresh, _client) = database(Legacy::Fresh).await;
    boot(&fresh).await.unwrap();
    let model = Table::read(&fresh).await.unwrap().definition;
    for part in ["episode_id uuid", "parent_collection_id uuid", "FOREIGN KEY", "snapshot"] {
        assert!(model.contains(part), "{part}: {model}");
    }

    for legacy in every_old_database() {
        let (database, _client) = database(legacy).await;
        let report = boot(&database).await.unwrap();
        assert_eq!(report.applied().count(), 2, "{legacy:?}");
        assert_eq!(Table::read(&database).await.unwrap().definition, model, "{legacy:?}");

        let again = boot(&database).await.unwrap();
        assert_eq!((again.applied().count(), again.flights()), (0, 1), "{legacy:?}");
    }
}

#[tokio::test]
async fn the_migrations_change_nothing_where_they_have_run_and_the_history_does_not_say_so() {
    let (database, mut client) = database(Legacy::Statements(0)).await;
    boot(&database).await.unwrap();
    let (table, ready) = (Table::read(&database).await.unwrap(), Table::ready_rows(&database).await.unwrap());

    migrator().stamp(&mut client, Target::Base).await.unwrap();
    assert_eq!(boot(&database).await.unwrap().applied().count(), 2);

    assert_eq!(Table::read(&database).await.unwrap(), table);
    assert_eq!(Table::ready_rows(&database).await.unwrap(), ready);
}

#[tokio::test]
async fn the_four_ready_rows_are_not_even_rewritten() {
    for legacy in every_old_database() {
        let (database, _client) = database(legacy).await;
        let before = Table::ready_rows(&database).await.unwrap();
        assert_eq!(before.iter().filter(|byte| **byte == b'\n').count(), 4);

        boot(&database).await.unwrap();

        assert_eq!(Table::ready_rows(&database).await.unwrap(), before, "{legacy:?}");
    }
}

#[tokio::test]
async fn replicas_that_boot_at_once_where_the_script_broke_off_apply_it_once() {
    let (database, client) = database(Legacy::Statements(1)).await;

    let mut replicas = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let config = database.config();
        replicas.spawn(async move { dunlin::migrate(&config, tokio_postgres::NoTls, &migrator()).await });
    }
    let applied = replicas.join_all().await.into_iter().map(|report| report.unwrap().applied().count());

    assert_eq!(applied.sum::<usize>(), 2);
    assert_eq!(migrator().status(&client).await.unwrap().records().len(), 2);
}

#[tokio::test]
async fn a_draft_with_other_types_is_refused_by_the_verify_script_and_leaves_nothing() {
    let (database, client) = database(Legacy::Draft).await;
    let before = Table::read(&database).await.unwrap();

    let error = boot(&database).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Verify);
    let location = error.location().unwrap();
    assert_eq!((location.file(), location.line()), ("migrations/0002_snapshots.verify.sql", 2));
    let text = error.to_string();
    assert!(text.contains("SELECT count(*) = 1 AS episode_id_is_a_nullable_uuid"), "{text}");
    assert_eq!(Table::read(&database).await.unwrap(), before);
    let status = migrator().status(&client).await.unwrap();
    assert_eq!((status.records().len(), status.pending().len()), (1, 1), "the baseline stays: {status}");
}

#[tokio::test]
async fn whatever_else_was_done_by_hand_is_noticed_by_the_statement_that_is_about_it() {
    let by_hand = [
        ("ALTER TABLE collections ADD parent_collection_id text", "parent_collection_id_is_a_nullable_uuid"),
        ("ALTER TABLE collections ADD episode_id uuid", "episode_id_references_episodes"),
        (
            "ALTER TABLE collections ADD parent_collection_id uuid REFERENCES episodes",
            "parent_collection_id_references_collections",
        ),
        (
            "DELETE FROM collections; \
             ALTER TABLE collections ADD episode_id uuid REFERENCES episodes DEFAULT gen_random_uuid()",
            "episode_id_is_a_nullable_uuid",
        ),
        (
            "DELETE FROM collections; ALTER TABLE collections ADD episode_id uuid NOT NULL REFERENCES episodes",
            "episode_id_is_a_nullable_uuid",
        ),
        ("ALTER TABLE collections ALTER name DROP NOT NULL", "collections_columns"),
        ("ALTER TABLE collections ALTER created_at TYPE timestamp", "collections_columns"),
        ("ALTER TABLE episodes ALTER title TYPE varchar(80)", "episodes_columns"),
        ("ALTER TABLE collections DROP CONSTRAINT collections_pkey", "primary_keys"),
    ];
    for (sql, statement) in by_hand {
        let (database, client) = database(Legacy::Statements(0)).await;
        client.batch_execute(sql).await.unwrap();
        let before = Table::read(&database).await.unwrap();

        let error = boot(&database).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Verify, "{sql}: {error}");
        assert!(error.to_string().contains(&format!("column `{statement}`")), "{sql}: {error}");
        assert_eq!(Table::read(&database).await.unwrap(), before, "{sql}");
    }
}

#[tokio::test]
async fn a_row_in_a_state_that_nobody_knows_stops_the_migration_and_stays() {
    let (database, client) = database(Legacy::Statements(0)).await;
    let insert =
        "INSERT INTO collections (group_id, status, name) VALUES (gen_random_uuid(), 'archived', 'Old')";
    client.batch_execute(insert).await.unwrap();
    let before = Table::read(&database).await.unwrap();

    let error = boot(&database).await.unwrap_err();

    assert_eq!((error.kind(), error.code()), (ErrorKind::Migration, Some(&SqlState::CHECK_VIOLATION)));
    assert_eq!(error.location().unwrap().file(), "migrations/0002_snapshots.up.sql");
    assert!(error.to_string().contains("collections_status_check"), "{error}");
    assert_eq!(Table::read(&database).await.unwrap(), before);
}

#[tokio::test]
async fn the_status_is_one_of_three_from_then_on() {
    let (database, client) = database(Legacy::Statements(0)).await;
    boot(&database).await.unwrap();
    let insert = "INSERT INTO collections (group_id, status, name) VALUES (gen_random_uuid(), $1, 'One')";

    for status in ["building", "ready", "snapshot"] {
        assert_eq!(client.execute(insert, &[&status]).await.unwrap(), 1);
    }
    for status in ["archived", "Ready", "", "ready "] {
        let error = client.execute(insert, &[&status]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION), "{status}");
    }
}

#[tokio::test]
async fn verify_notices_what_happens_to_the_table_later() {
    let (database, mut client) = database(Legacy::Statements(0)).await;
    boot(&database).await.unwrap();
    assert_eq!(migrator().verify(&mut client).await.unwrap().verified().len(), 2);

    client.batch_execute("ALTER TABLE collections DROP CONSTRAINT collections_status_check").await.unwrap();

    let error = migrator().verify(&mut client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert!(error.to_string().contains("status_is_constrained"), "{error}");
}
