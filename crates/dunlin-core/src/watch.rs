//! What another connection sees of a run: who blocks it, and how far an index build is.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio_postgres::SimpleQueryRow;

use crate::blocker::Blocker;
use crate::connect::{Connect, Connection};
use crate::lock::LockKey;
use crate::progress::Progress;
use crate::wire::{Wire, text, value};
use crate::{MigrationId, Migrator};

/// How often it looks who blocks a statement, which ends after a lock timeout of 200 ms by default.
const BLOCKERS: Duration = Duration::from_millis(50);

/// How often it looks how far an index build is. One that takes no longer is not looked at.
const BUILD: Duration = Duration::from_millis(500);

/// Looks at a run from outside, on a connection that it opens when there is something to look at. What it can't find out
/// is left out: nothing depends on it.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    connect: &'a dyn Connect,
    key: LockKey,
    /// Whether what works is told by the lock of the transaction that works, and not by that of the session.
    is_pooled: bool,
}

impl<'a> Watch<'a> {
    /// Nothing where no other connection can be had.
    pub(crate) fn of(
        migrator: &'a Migrator,
        connect: Option<&'a dyn Connect>,
        is_pooled: bool,
    ) -> Option<Self> {
        let connect = connect.or(migrator.direct.as_deref())?;
        Some(Self { connect, key: migrator.key, is_pooled })
    }

    /// Does the work, and says who was seen to block it.
    pub(crate) async fn blockers<T>(self, work: impl Future<Output = T>) -> (T, Vec<Blocker>) {
        let sql = self.key.blockers(self.is_pooled);
        let mut seen = Vec::new();
        let look = |rows: &[SimpleQueryRow]| {
            seen = rows.iter().filter_map(Blocker::of).collect();
            // Looking takes the lock manager's own locks: once is enough for a try.
            seen.is_empty()
        };
        let done = self.beside(work, &sql, BLOCKERS, look).await;
        (done, seen)
    }

    /// Does the work, which may build an index, and tells how far that is.
    pub(crate) async fn build<T>(
        self,
        work: impl Future<Output = T>,
        id: &MigrationId,
        migrator: &Migrator,
    ) -> T {
        let look = |rows: &[SimpleQueryRow]| {
            if let Some(row) = rows.first() {
                migrator.observer.notify(building(id, row));
            }
            true
        };
        self.beside(work, &self.key.build(), BUILD, look).await
    }

    /// Does the work and asks the question again and again meanwhile, as long as `look` wants to go on.
    async fn beside<T>(
        self,
        work: impl Future<Output = T>,
        sql: &str,
        every: Duration,
        mut look: impl FnMut(&[SimpleQueryRow]) -> bool,
    ) -> T {
        let mut connection: Option<Connection> = None;
        let done = {
            let opened = &mut connection;
            let asking = async move {
                tokio::time::sleep(every).await;
                let Ok(connected) = self.connect.connect().await else { return };
                let wire = Wire::new(opened.insert(connected));
                while let Ok(rows) = wire.rows(sql).await
                    && look(&rows)
                {
                    tokio::time::sleep(every).await;
                }
            };
            first(work, asking).await
        };
        // An answer that is still to come may wait for what the run has yet to give back.
        drop(connection.map(Connection::without_cancel));
        done
    }
}

/// Polls both until the work is done.
async fn first<T>(work: impl Future<Output = T>, beside: impl Future<Output = ()>) -> T {
    let (mut work, mut beside) = (pin!(work), pin!(beside));
    let mut is_over = false;
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        is_over = is_over || beside.as_mut().poll(cx).is_ready();
        Poll::Pending
    })
    .await
}

/// What a row of [`LockKey::build`] tells.
fn building<'p>(id: &'p MigrationId, row: &'p SimpleQueryRow) -> Progress<'p> {
    let number = |column| value::<u64>(row, column).unwrap_or(0);
    let (lockers, blocks) = (number("lockers_total"), number("blocks_total"));
    let (done, total) = match text(row, "phase") {
        Some(phase) if phase.starts_with("waiting") => (number("lockers_done"), lockers),
        _ if blocks > 0 => (number("blocks_done"), blocks),
        _ => (number("tuples_done"), number("tuples_total")),
    };
    let waits_for = value(row, "current_locker_pid").filter(|pid: &i32| *pid != 0);
    Progress::Building { id, phase: text(row, "phase").unwrap_or_default(), done, total, waits_for }
}
