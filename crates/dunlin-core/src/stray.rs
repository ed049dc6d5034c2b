//! A lock that a pooler has taken away together with its server connection.

use std::time::Duration;

use crate::jitter::Jitter;
use crate::run::Run;
use crate::wire::flag;

/// How often it asks for the connection, before it ends it.
const TRIES: usize = 40;

impl Run<'_> {
    /// Frees the session lock that is held by the backend `pid`, wherever a pooler has put that, with the settings that came
    /// with it. Returns whether there is a pooler at all.
    ///
    /// A pooler gives the next message to any server connection that is free: asking again comes to the right one sooner or
    /// later. Where it does not, the connection is ended while nobody works on it: a lock that stays would stop every
    /// runner for as long as the pooler keeps the connection.
    pub(crate) async fn free_stray_lock(&self, pid: i32) -> bool {
        let key = self.migrator.key;
        let mut is_pooled = false;
        for attempt in 0..2 * TRIES {
            let Ok(rows) = self.wire.rows(&key.free_at(pid)).await else { return is_pooled };
            let Some(row) = rows.first() else { return is_pooled };
            is_pooled |= !flag(row, "here");
            if flag(row, "here") || !flag(row, "held") {
                return is_pooled;
            }
            if attempt >= TRIES {
                let _ = self.wire.rows(&key.end_idle(pid)).await;
            }
            tokio::time::sleep(Jitter::polling(Duration::ZERO)).await;
        }
        tracing::error!(pid, "a pooler's server connection still holds the migration lock: end that backend");
        is_pooled
    }
}
