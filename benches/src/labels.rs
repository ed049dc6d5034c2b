use dunlin::{Direct, MigrationSet, Migrator};
use dunlin_backfill::{Backfill, Backfills, Change, Row, RowError, Settings, Source, Write};
use tokio_postgres::{
    NoTls,
    types::{FromSqlOwned, ToSql},
};
use uuid::Uuid;

use crate::sightings::{LABEL, Shape};
use crate::{Failure, Place};

/// So many rows are fetched and written at once where that is not steered.
const BATCH: i64 = 10_000;

/// How the labels come into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By one statement.
    Update,
    /// Fetched, computed and written back as anybody would.
    Unnest,
    /// By dunlin, with so many workers.
    Dunlin(usize),
    /// By dunlin, into a table of their own.
    Apart,
}

impl Way {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Update => "one `UPDATE`".to_owned(),
            Self::Unnest => "fetch and `unnest` 10,000".to_owned(),
            Self::Dunlin(1) => "**dunlin**".to_owned(),
            Self::Dunlin(workers) => format!("**dunlin**, {workers} workers"),
            Self::Apart => "**dunlin** into a new table".to_owned(),
        }
    }

    /// Labels all rows. The name is one that no backfill of this database has had.
    pub(crate) async fn label(self, place: &Place, shape: Shape, name: &str) -> Result<(), Failure> {
        let backfills = || -> Result<Backfills, Failure> {
            let migrator = Migrator::new(MigrationSet::builder().build()?);
            Ok(Backfills::new(migrator, Direct::new(place.config().clone(), NoTls)))
        };
        match self {
            Self::Update => {
                let sql = format!("UPDATE sighting SET label = {LABEL}");
                place.connect().await?.batch_execute(&sql).await?;
            }
            Self::Unnest if shape == Shape::Random => unnest::<Uuid>(place, shape).await?,
            Self::Unnest => unnest::<i64>(place, shape).await?,
            Self::Dunlin(workers) => {
                backfills()?.run(name, &Labels { workers }).await?;
            }
            Self::Apart => {
                backfills()?.run(name, &LabelsApart).await?;
            }
        }
        Ok(())
    }
}

/// Pages by the key; one transaction for each page.
async fn unnest<K: FromSqlOwned + ToSql + Sync + Send>(place: &Place, shape: Shape) -> Result<(), Failure> {
    let client = place.connect().await?;
    let first = format!("SELECT id, species, place FROM sighting ORDER BY id LIMIT {BATCH}");
    let next = client
        .prepare(&format!("SELECT id, species, place FROM sighting WHERE id > $1 ORDER BY id LIMIT {BATCH}"))
        .await?;
    // Without the range the planner may read all of the table for each page.
    let update = client
        .prepare(&format!(
            "UPDATE sighting SET label = new.label FROM unnest($1::{}[], $2::text[]) AS new (id, label) \
             WHERE sighting.id = new.id AND sighting.id BETWEEN $3 AND $4",
            shape.key_type()
        ))
        .await?;
    let mut page = client.query(&first, &[]).await?;
    while !page.is_empty() {
        let ids: Vec<K> = page.iter().map(|row| row.get(0)).collect();
        let labels: Vec<String> =
            page.iter().map(|row| label(row.get::<_, &str>(1), row.get::<_, &str>(2))).collect();
        let (Some(low), Some(high)) = (ids.first(), ids.last()) else { break };
        client.execute(&update, &[&ids, &labels, low, high]).await?;
        page = client.query(&next, &[high]).await?;
    }
    Ok(())
}

/// The same as [`LABEL`].
fn label(species: &str, place: &str) -> String {
    format!("{species} {place}")
}

#[derive(Row)]
struct Sighting {
    species: String,
    place: String,
}

#[derive(Change)]
struct Label {
    label: String,
}

struct Labels {
    workers: usize,
}

impl Backfill for Labels {
    type Row = Sighting;
    type Change = Label;

    fn source(&self) -> Source {
        Source::table("sighting").remaining("label IS NULL")
    }

    fn settings(&self) -> Settings {
        Settings::default().workers(self.workers)
    }

    fn convert(&self, sighting: &Sighting) -> Result<Option<Label>, RowError> {
        Ok(Some(Label { label: label(&sighting.species, &sighting.place) }))
    }
}

#[derive(Row)]
struct NumberedSighting {
    id: i64,
    species: String,
    place: String,
}

#[derive(Change)]
struct LabelApart {
    id: i64,
    label: String,
}

struct LabelsApart;

impl Backfill for LabelsApart {
    type Row = NumberedSighting;
    type Change = LabelApart;

    fn source(&self) -> Source {
        Source::table("sighting").missing_in("label", ["id"])
    }

    fn write(&self) -> Write {
        Write::copy_into("label")
    }

    fn convert(&self, sighting: &NumberedSighting) -> Result<Option<LabelApart>, RowError> {
        Ok(Some(LabelApart { id: sighting.id, label: label(&sighting.species, &sighting.place) }))
    }
}
