use collection_snapshots::{Group, Legacy, Table, generate_episode, start_building, stats};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::{boot, database};

const GROUP: Group = Group(Uuid::from_u128(9));

fn counts(building: i64, ready: i64, snapshot: i64) -> Vec<(String, i64)> {
    [("building", building), ("ready", ready), ("snapshot", snapshot)]
        .map(|(status, count)| (status.to_owned(), count))
        .to_vec()
}

#[tokio::test]
async fn an_episode_leaves_a_snapshot_and_building_goes_on_from_it() {
    let (database, mut client) = database(Legacy::Statements(0)).await;
    boot(&database).await.unwrap();
    let ready = Table::ready_rows(&database).await.unwrap();
    assert_eq!(stats(&client).await.unwrap().by_status, counts(0, 4, 0));
    let started = start_building(&client, GROUP, "Estuaries").await.unwrap();

    let first = generate_episode(&mut client, GROUP, "Low tide").await.unwrap().unwrap();
    let second = generate_episode(&mut client, GROUP, "High tide").await.unwrap().unwrap();

    assert_eq!((first.snapshot, second.snapshot), (started, first.building));
    let rows = "SELECT collections.id, group_id, status, episode_id, parent_collection_id, name, title
        FROM collections LEFT JOIN episodes ON episodes.id = episode_id
        WHERE group_id = $1 ORDER BY collections.created_at";
    let rows = client.query(rows, &[&GROUP.0]).await.unwrap();
    let row = |index: usize| {
        let row = &rows[index];
        let (id, status): (Uuid, String) = (row.get("id"), row.get("status"));
        let (episode, parent): (Option<Uuid>, Option<Uuid>) =
            (row.get("episode_id"), row.get("parent_collection_id"));
        (id, status, episode, parent, row.get::<_, Option<String>>("title"))
    };
    let title = |title: &str| Some(title.to_owned());
    assert_eq!(rows.len(), 3);
    assert_eq!(row(0), (started, "snapshot".into(), Some(first.episode), None, title("Low tide")));
    let (snapshot, parent) = (first.building, Some(started));
    assert_eq!(row(1), (snapshot, "snapshot".into(), Some(second.episode), parent, title("High tide")));
    assert_eq!(row(2), (second.building, "building".into(), None, Some(first.building), None));
    assert!(rows.iter().all(|row| row.get::<_, String>("name") == "Estuaries"));

    let stats = stats(&client).await.unwrap();
    assert_eq!(stats.by_status, counts(1, 4, 2));
    assert_eq!(stats.to_string(), "building       1\nready          4\nsnapshot       2");
    assert_eq!(Table::ready_rows(&database).await.unwrap(), ready);
}

#[tokio::test]
async fn episodes_that_are_generated_at_once_each_have_a_snapshot() {
    let (database, client) = database(Legacy::Fresh).await;
    boot(&database).await.unwrap();
    start_building(&client, GROUP, "Estuaries").await.unwrap();

    let mut episodes = tokio::task::JoinSet::new();
    for number in 0..8 {
        let mut client = database.connect().await.unwrap();
        episodes
            .spawn(async move { generate_episode(&mut client, GROUP, &format!("Episode {number}")).await });
    }
    let mut snapshots: Vec<_> =
        episodes.join_all().await.into_iter().map(|made| made.unwrap().unwrap().snapshot).collect();

    snapshots.sort();
    snapshots.dedup();
    assert_eq!(snapshots.len(), 8);
    assert_eq!(stats(&client).await.unwrap().by_status, counts(1, 0, 8));
}

#[tokio::test]
async fn a_group_that_builds_nothing_generates_nothing() {
    let (database, mut client) = database(Legacy::Statements(0)).await;
    boot(&database).await.unwrap();
    // It has collections that are ready, and none that is being built.
    let group = Group("a0000000-0000-4000-8000-000000000001".parse().unwrap());

    assert_eq!(generate_episode(&mut client, group, "Nothing").await.unwrap(), None);

    let episodes: i64 = client.query_one("SELECT count(*) FROM episodes", &[]).await.unwrap().get(0);
    assert_eq!(episodes, 0);
}

#[tokio::test]
async fn neither_an_episode_with_a_snapshot_nor_a_parent_can_be_deleted() {
    let (database, mut client) = database(Legacy::Fresh).await;
    boot(&database).await.unwrap();
    start_building(&client, GROUP, "Estuaries").await.unwrap();
    let made = generate_episode(&mut client, GROUP, "Low tide").await.unwrap().unwrap();

    for (sql, id) in [
        ("DELETE FROM episodes WHERE id = $1", made.episode),
        ("DELETE FROM collections WHERE id = $1", made.snapshot),
    ] {
        let error = client.execute(sql, &[&id]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION), "{sql}");
    }
}
