use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::{Failure, Place};

/// After this long the server's counters are not coming.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be in the column `label` of each row.
pub(crate) const LABEL: &str = "species || ' ' || place";

/// What a table of many rows is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A primary key whose order is that of the rows.
    Plain,
    /// The same and three more indexes.
    Indexed,
    /// A primary key whose order has nothing to do with that of the rows.
    Random,
}

impl Shape {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Indexed, Self::Random];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "primary key only",
            Self::Indexed => "three more indexes",
            Self::Random => "random uuid key",
        }
    }

    pub(crate) fn key_type(self) -> &'static str {
        match self {
            Self::Plain | Self::Indexed => "bigint",
            Self::Random => "uuid",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Plain | Self::Indexed => "n::bigint",
            Self::Random => "md5(n::text)::uuid",
        }
    }

    fn indexes(self) -> &'static str {
        match self {
            Self::Plain | Self::Random => "",
            Self::Indexed => {
                "CREATE INDEX ON sighting (species); CREATE INDEX ON sighting (place); \
                 CREATE INDEX ON sighting ((doc ->> 'count'))"
            }
        }
    }
}

/// The table `sighting`, whose column `label` is to be filled, and `label`, which can be filled instead.
pub(crate) struct Sightings {
    client: Client,
    shape: Shape,
    rows: u32,
}

/// What the server has counted so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    /// The place in the WAL.
    pub(crate) wal: f64,
    /// Of the table's heap.
    pub(crate) bytes: f64,
}

impl Sightings {
    /// Makes the rows that all contestants get.
    pub(crate) async fn new(place: &Place, shape: Shape, rows: u32) -> Result<Self, Failure> {
        let client = place.connect().await?;
        let key = shape.key();
        // Otherwise a scan may begin in the middle of a large table, and the order of the rows changes from one copy to the next.
        client.batch_execute("SET synchronize_seqscans = off").await?;
        client
            .batch_execute(&format!(
                "CREATE TABLE original AS SELECT {key} AS id, jsonb_build_object('number', n, 'count', n % 10) AS doc, \
                 'species number ' || n AS species, 'a place numbered ' || n AS place, repeat('note', 15) AS note, \
                 NULL::text AS label FROM generate_series(1, {rows}) AS n"
            ))
            .await?;
        Ok(Self { client, shape, rows })
    }

    /// Makes the table anew, and leaves nothing that the server still has to do for it.
    pub(crate) async fn reset(&self) -> Result<(), Failure> {
        let steps = [
            "DROP TABLE IF EXISTS sighting, label",
            "CREATE TABLE sighting (LIKE original)",
            "CREATE TABLE label (id bigint PRIMARY KEY, label text NOT NULL)",
            "INSERT INTO sighting SELECT * FROM original",
            "ALTER TABLE sighting ADD PRIMARY KEY (id)",
            self.shape.indexes(),
            "VACUUM ANALYZE sighting",
            "CHECKPOINT",
        ];
        for step in steps {
            self.client.batch_execute(step).await?;
        }
        Ok(())
    }

    pub(crate) async fn counters(&self) -> Result<Counters, Failure> {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8, pg_relation_size('sighting')::float8";
        let row = self.client.query_one(sql, &[]).await?;
        Ok(Counters { wal: row.get(0), bytes: row.get(1) })
    }

    /// The share of rows that were updated on their page, when everybody else has gone: a session's counts are there at the latest
    /// when it has ended.
    pub(crate) async fn hot(&self) -> Result<f64, Failure> {
        let sql = "SELECT n_tup_upd::float8, n_tup_hot_upd::float8, (SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()) \
            FROM pg_stat_user_tables WHERE relname = 'sighting'";
        let began = Instant::now();
        loop {
            let row = self.client.query_one(sql, &[]).await?;
            let (updated, hot, others): (f64, f64, i64) = (row.get(0), row.get(1), row.get(2));
            if others == 0 && updated >= f64::from(self.rows) {
                return Ok(hot / updated);
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{updated} updates of {} were counted", self.rows).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Checks that each row is there once, has its label, and is otherwise as it was.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        self.find_none(
            "SELECT count(*) FROM sighting AS s FULL JOIN original AS o USING (id) \
             WHERE (s.doc, s.species, s.place, s.note, s.label) \
             IS DISTINCT FROM (o.doc, o.species, o.place, o.note, o.species || ' ' || o.place)",
        )
        .await
    }

    /// Checks that each row has its label in the other table, and that there are no others.
    pub(crate) async fn check_apart(&self) -> Result<(), Failure> {
        self.find_none(
            "SELECT count(*) FROM label AS l FULL JOIN original AS o USING (id) \
             WHERE l.label IS DISTINCT FROM o.species || ' ' || o.place",
        )
        .await
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    async fn find_none(&self, sql: &str) -> Result<(), Failure> {
        match self.client.query_one(sql, &[]).await?.get(0) {
            0_i64 => Ok(()),
            wrong => Err(format!("{wrong} rows of {} are wrong", self.rows).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;

    #[tokio::test]
    async fn rows_that_are_not_what_they_should_be_are_found() -> Result<(), Failure> {
        let arena = Arena::in_memory().await?;
        let database = arena.database().await?;
        let sightings = Sightings::new(&Place::socket(&database), Shape::Plain, 100).await?;
        let (fill, fill_apart) = (
            format!("UPDATE sighting SET label = {LABEL}"),
            format!("INSERT INTO label SELECT id, {LABEL} FROM sighting"),
        );
        let found = |checked: Result<(), Failure>| checked.err().map(|failure| failure.to_string());
        for (table, wrong, rows) in [
            ("sighting", "SELECT", None),
            ("sighting", "UPDATE sighting SET label = 'else' WHERE id = 1", Some(1)),
            ("sighting", "UPDATE sighting SET label = NULL WHERE id < 3", Some(2)),
            ("sighting", "UPDATE sighting SET note = 'else' WHERE id = 1", Some(1)),
            ("sighting", "DELETE FROM sighting WHERE id = 1", Some(1)),
            ("label", "SELECT", None),
            ("label", "UPDATE label SET label = 'else' WHERE id = 1", Some(1)),
            ("label", "DELETE FROM label WHERE id = 1", Some(1)),
            ("label", "INSERT INTO label VALUES (0, 'else')", Some(1)),
        ] {
            sightings.reset().await?;
            for step in [&fill, &fill_apart, wrong] {
                sightings.client.batch_execute(step).await?;
            }
            let checked =
                if table == "label" { sightings.check_apart().await } else { sightings.check().await };
            assert_eq!(found(checked), rows.map(|rows| format!("{rows} rows of 100 are wrong")), "{wrong}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn updates_that_stay_on_their_page_are_counted_when_their_session_has_ended() -> Result<(), Failure>
    {
        let arena = Arena::in_memory().await?;
        let database = arena.database().await?;
        let place = Place::socket(&database);
        let sightings = Sightings::new(&place, Shape::Indexed, 1_000).await?;
        for (column, is_indexed) in [("species", true), ("label", false)] {
            sightings.reset().await?;
            let client = place.connect().await?;
            // The second finds room where the first has left dead rows.
            for _ in 0..2 {
                client.batch_execute(&format!("UPDATE sighting SET {column} = {LABEL}")).await?;
            }
            drop(client);
            let hot = sightings.hot().await?;
            assert_eq!(hot > 0.0, !is_indexed, "{hot} of {column}");
        }
        Ok(())
    }
}
