use collection_snapshots::{Group, Legacy, Table, generate_episode, migrator, start_building};
use dunlin::{ErrorKind, State, Target};
use uuid::Uuid;

use crate::{boot, database};

#[tokio::test]
async fn down_restores_the_table_byte_for_byte_and_up_works_again() {
    let (old, _client) = database(Legacy::Statements(0)).await;
    let before = Table::read(&old).await.unwrap();

    // Where the script had already run, it takes that back as well.
    for legacy in [Legacy::Statements(0), Legacy::Statements(Legacy::STATEMENTS)] {
        let (database, mut client) = database(legacy).await;
        let ready = Table::ready_rows(&database).await.unwrap();
        boot(&database).await.unwrap();
        let up = Table::read(&database).await.unwrap();
        assert_ne!(up.definition, before.definition);

        let report = migrator().run(&mut client, Target::Relative(-1)).await.unwrap();

        assert_eq!((report.reverted().count(), report.state()), (1, State::Behind));
        assert_eq!(Table::read(&database).await.unwrap(), before, "{legacy:?}");
        assert_eq!(Table::ready_rows(&database).await.unwrap(), ready, "{legacy:?}");

        boot(&database).await.unwrap();
        assert_eq!(Table::read(&database).await.unwrap(), up, "{legacy:?}");
    }
}

#[tokio::test]
async fn down_stops_where_snapshots_would_lose_their_episodes() {
    let (database, mut client) = database(Legacy::Statements(0)).await;
    boot(&database).await.unwrap();
    let group = Group(Uuid::from_u128(9));
    start_building(&client, group, "Estuaries").await.unwrap();
    generate_episode(&mut client, group, "Low tide").await.unwrap().unwrap();
    let before = Table::read(&database).await.unwrap();

    let error = migrator().run(&mut client, Target::Relative(-1)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Migration);
    assert!(error.to_string().contains("1 of the collections would lose their episode"), "{error}");
    assert_eq!(Table::read(&database).await.unwrap(), before);
    assert_eq!(migrator().status(&client).await.unwrap().state(), State::Current);
}

#[tokio::test]
async fn the_baseline_is_never_taken_back() {
    let (database, mut client) = database(Legacy::Statements(0)).await;
    boot(&database).await.unwrap();
    let before = Table::read(&database).await.unwrap();

    let error = migrator().run(&mut client, Target::Base).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Irreversible);
    assert_eq!(Table::read(&database).await.unwrap(), before);
}
