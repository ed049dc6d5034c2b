use std::fmt;

use tokio_postgres::{Client, Error};

/// The materialized view `mv_period_metrics_trend`.
#[derive(Clone, Copy, Debug)]
pub struct Trend;

/// How it was refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// For the first time, with a lock that keeps readers out: there is nothing that they could read.
    Plainly,
    /// While readers go on with what was there before.
    Concurrently,
}

impl Trend {
    /// Refreshes it: plainly the first time, as `CONCURRENTLY` compares with what is there, and concurrently from then on.
    ///
    /// It is meant for a client outside a transaction: a concurrent refresh keeps other refreshes out until its transaction ends.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn refresh(client: &Client) -> Result<Refreshed, Error> {
        let is_filled =
            "SELECT relispopulated FROM pg_catalog.pg_class WHERE oid = 'mv_period_metrics_trend'::regclass";
        if client.query_one(is_filled, &[]).await?.try_get(0)? {
            client.batch_execute("REFRESH MATERIALIZED VIEW CONCURRENTLY mv_period_metrics_trend").await?;
            Ok(Refreshed::Concurrently)
        } else {
            client.batch_execute("REFRESH MATERIALIZED VIEW mv_period_metrics_trend").await?;
            Ok(Refreshed::Plainly)
        }
    }

    /// How many rows it has.
    ///
    /// # Errors
    ///
    /// What the server says, as long as it was never refreshed.
    pub async fn rows(client: &Client) -> Result<i64, Error> {
        client.query_one("SELECT count(*) FROM mv_period_metrics_trend", &[]).await?.try_get(0)
    }
}

impl fmt::Display for Refreshed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plainly => "plainly, as it was empty",
            Self::Concurrently => "concurrently: whoever reads it meanwhile goes on",
        })
    }
}
