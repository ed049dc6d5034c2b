//! What the service does all day, on the schema that the migrations make.

use std::fmt;

use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// Whose collections they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub Uuid);

/// What an episode leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The new episode.
    pub episode: Uuid,
    /// The collection that was being built, and is now what the episode was made from.
    pub snapshot: Uuid,
    /// The collection that is being built from here on; its parent is the snapshot.
    pub building: Uuid,
}

/// Starts the first collection of a group.
///
/// # Errors
///
/// What the server says.
pub async fn start_building(client: &Client, group: Group, name: &str) -> Result<Uuid, Error> {
    let insert = "INSERT INTO collections (group_id, status, name) VALUES ($1, 'building', $2) RETURNING id";
    client.query_one(insert, &[&group.0, &name]).await?.try_get("id")
}

/// Generates an episode from what a group has been building. What it was made from stays as a snapshot, and building
/// goes on in a new collection. All of it happens, or nothing; two calls at once make two episodes, one after the other.
///
/// Returns nothing when the group is not building anything.
///
/// # Errors
///
/// What the server says.
pub async fn generate_episode(
    client: &mut Client,
    group: Group,
    title: &str,
) -> Result<Option<Snapshot>, Error> {
    let transaction = client.transaction().await?;
    // Whoever comes second waits here, and then finds the collection that the first has made.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))";
    transaction.execute(lock, &[&group.0]).await?;
    let find = "SELECT id FROM collections WHERE group_id = $1 AND status = 'building'
        ORDER BY created_at, id LIMIT 1 FOR UPDATE";
    let Some(found) = transaction.query_opt(find, &[&group.0]).await? else { return Ok(None) };
    let snapshot: Uuid = found.try_get("id")?;

    let generate = "INSERT INTO episodes (title) VALUES ($1) RETURNING id";
    let episode: Uuid = transaction.query_one(generate, &[&title]).await?.try_get("id")?;

    let freeze =
        "UPDATE collections SET status = 'snapshot', episode_id = $2, updated_at = now() WHERE id = $1";
    transaction.execute(freeze, &[&snapshot, &episode]).await?;

    let go_on = "INSERT INTO collections (group_id, status, name, description, parent_collection_id)
        SELECT group_id, 'building', name, description, id FROM collections WHERE id = $1 RETURNING id";
    let building: Uuid = transaction.query_one(go_on, &[&snapshot]).await?.try_get("id")?;

    transaction.commit().await?;
    Ok(Some(Snapshot { episode, snapshot, building }))
}

/// How many collections there are in each state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// State and number, in the order of a collection's life.
    pub by_status: Vec<(String, i64)>,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (status, count)) in self.by_status.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{status:<10}{count:>6}")?;
        }
        Ok(())
    }
}

/// Counts the collections.
///
/// # Errors
///
/// What the server says.
pub async fn stats(client: &Client) -> Result<Stats, Error> {
    let count = "SELECT known.status, count(collections.id)
        FROM unnest(ARRAY['building', 'ready', 'snapshot']) WITH ORDINALITY AS known (status, place)
        LEFT JOIN collections USING (status)
        GROUP BY known.status, known.place
        ORDER BY known.place";
    let rows = client.query(count, &[]).await?;
    let by_status =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, Error>>()?;
    Ok(Stats { by_status })
}
