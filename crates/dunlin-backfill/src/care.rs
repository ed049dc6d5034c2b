//! Leaves the database to others when it has enough to do.

use std::time::{Duration, Instant};

use crate::desk::{Desk, Limits};
use crate::error::text_of;
use crate::health::Checkup;
use crate::shop::Shop;
use crate::trouble::Trouble;

/// What a rest is called in reports.
const OTHERS: &str = "other sessions";

/// However many sessions there are, it goes on.
const MOST_SESSIONS: u32 = 8;

/// No rest is longer, whatever a batch has taken, and none than half of a lease.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How a worker looks after the database.
pub(crate) struct Care<'a> {
    shop: &'a Shop<'a>,
    /// When it has last looked how the database is.
    looked: Option<Instant>,
}

impl<'a> Care<'a> {
    pub(crate) fn new(shop: &'a Shop<'a>) -> Self {
        Self { shop, looked: None }
    }

    /// Looks how the database is, if it is time to: what it has enough of, and in which words.
    pub(crate) async fn has_enough(
        &mut self,
        desk: &mut Desk<'_>,
    ) -> Result<Option<(&'static str, String)>, Trouble> {
        let health = &self.shop.settings.health;
        if self.looked.is_some_and(|looked| looked.elapsed() < health.every) {
            return Ok(None);
        }
        desk.limit(Limits::NONE).await?;
        let checkup = Checkup { client: desk, oid: self.shop.shape.oid };
        for signal in &health.signals {
            match signal.check(&checkup).await {
                Ok(None) => {}
                Ok(Some(why)) => return Ok(Some((signal.name(), why))),
                Err(error) if error.as_db_error().is_some() => {
                    tracing::warn!(signal = signal.name(), error = text_of(&error), "a signal can't be read");
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.looked = Some(Instant::now());
        Ok(None)
    }

    /// Waits as long as the database has enough to do.
    pub(crate) async fn wait(&mut self, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        let ledger = &self.shop.ledger;
        let mut said: Option<String> = None;
        while let Some((signal, why)) = self.has_enough(desk).await? {
            if said.as_ref() != Some(&why) {
                tracing::info!(backfill = ledger.job, why, "a backfill waits");
                ledger.wait(desk, Some(&why)).await?;
                said = Some(why);
            }
            let is_wanted = self.sleep(desk, signal, self.shop.settings.health.every).await?;
            if !is_wanted || self.shop.is_over() {
                break;
            }
        }
        if said.is_some() {
            ledger.wait(desk, None).await?;
        }
        Ok(())
    }

    /// Rests after a batch that took so long, as long again for each other session that is at work in the database: whoever shares a
    /// processor or a disk with the workers has it to itself in between, and as much of it as the workers have.
    pub(crate) async fn rest(&mut self, desk: &mut Desk<'_>, took: Duration) -> Result<(), Trouble> {
        if !self.shop.settings.health.yields {
            return Ok(());
        }
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE state OPERATOR(pg_catalog.=) 'active' \
             AND backend_type OPERATOR(pg_catalog.=) 'client backend' \
             AND datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
             AND application_name OPERATOR(pg_catalog.<>) '{}'",
            Desk::APPLICATION
        );
        let statement = desk.prepare(sql).await?;
        let sessions: i64 = desk.query_one(&statement, &[]).await?.try_get(0)?;
        let rest = rest(took, u32::try_from(sessions).unwrap_or_default(), self.shop.settings.lease);
        if !rest.is_zero() {
            self.sleep(desk, OTHERS, rest).await?;
        }
        Ok(())
    }

    /// Sleeps, and counts it; returns whether nobody wants it to stop.
    async fn sleep(&self, desk: &Desk<'_>, signal: &str, pause: Duration) -> Result<bool, Trouble> {
        let _ = tokio::time::timeout(pause, self.shop.migrator.stop().stopped()).await;
        self.shop.note_slept(signal, pause);
        self.shop.ledger.slept(desk, signal, pause).await
    }
}

/// How long to rest after a batch that took so long, for so many sessions.
fn rest(took: Duration, sessions: u32, lease: Duration) -> Duration {
    // A rest does not renew the lease.
    took.saturating_mul(sessions.min(MOST_SESSIONS)).min(LONGEST_REST).min(lease / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_over_before_the_lease_is() {
        let millis = Duration::from_millis;
        let lease = millis(30_000);
        assert_eq!(rest(millis(500), 0, lease), millis(0));
        assert_eq!(rest(millis(500), 2, lease), millis(1_000));
        assert_eq!(rest(millis(500), 100, lease), LONGEST_REST);
        assert_eq!(rest(millis(500), 100, millis(300)), millis(150));
    }
}
