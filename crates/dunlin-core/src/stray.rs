//! A lock that a pooler has taken away together with its server connection.

use std::time::Duration;

use crate::jitter::Jitter;
use crate::run::Run;
use crate::wire::flag;

/// How often it asks for the connection, before it ends it.
const TRIES: usize = 40;

/// Where a session lock was that the session does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stray {
    /// Nowhere else: there is no pooler.
    Here,
    /// On another server connection, and it is free now.
    Freed,
    /// On another server connection, which others work on; it is still held by this backend.
    Held(i32),
}

impl Run<'_> {
    /// Frees the session lock that is held by the backend `pid`, wherever a pooler has put that, with the settings that came
    /// with it.
    ///
    /// A pooler gives the next message to any server connection that is free: asking again comes to the right one sooner or
    /// later. Where it does not, the connection is ended while nobody works on it: a lock that stays would stop every
    /// runner for as long as the pooler keeps the connection.
    pub(crate) async fn free_stray_lock(&self, pid: i32) -> Stray {
        let key = self.migrator.key;
        let mut place = Stray::Here;
        for attempt in 0..2 * TRIES {
            let rows = self.wire.rows(&key.free_at(pid)).await.unwrap_or_default();
            let Some(row) = rows.first() else { return place };
            let (is_here, is_held) = (flag(row, "here"), flag(row, "held"));
            // A session that has the lock after all has lost it for a while: what was refused was on another one.
            if !is_here || is_held {
                place = Stray::Held(pid);
            }
            if is_here || !is_held {
                return if place == Stray::Here { place } else { Stray::Freed };
            }
            if attempt >= TRIES {
                let _ = self.wire.rows(&key.end_idle(pid)).await;
            }
            tokio::time::sleep(Jitter::polling(Duration::ZERO)).await;
        }
        place
    }
}
