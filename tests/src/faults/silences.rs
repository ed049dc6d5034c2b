//! A network that goes silent, and a caller who gives up.

use std::{fmt, time::Duration};

use dunlin::BoxError;

use crate::{
    database,
    faults::{
        footprint::{Open, witness},
        part::Part,
        peace::Peace,
        runner::Runner,
        sweep::{Outcome, Tally, Trial, sweep},
    },
    proxy::{Fault, Proxy},
};

/// How long the caller waits in vain.
const GIVE_UP: Duration = Duration::from_millis(50);

/// How long a run may take to come to the silence.
const PATIENCE: Duration = Duration::from_secs(90);

/// Lets the network go silent at each message, and drops the future a moment later, as a caller's timeout would.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn silences(part: Part) -> Result<Tally, BoxError> {
    let mut points = Vec::new();
    for runner in [Runner::Boot, Runner::Pool] {
        let peace = Peace::of(runner).await?;
        let silence = |(direction, message)| Fault::silence(direction, message);
        points.extend(peace.messages().map(silence).map(|fault| SilentRun { runner, fault }));
    }
    Ok(sweep("silences", part.of(points), Peace::of(Runner::Boot).await?).await)
}

/// A run that hears nothing any more.
struct SilentRun {
    runner: Runner,
    fault: Fault,
}

impl Trial for SilentRun {
    async fn try_out(self, peace: &Peace) -> Result<Outcome, BoxError> {
        let database = database().await;
        let observer = witness(&database.config()).await?;
        let proxy = Proxy::start(&database.config()).await;
        proxy.arm([self.fault]);
        let mut prepared = self.runner.prepare(&proxy.config()).await?;
        let given_up = async {
            while proxy.struck() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(GIVE_UP).await;
        };
        let has_ended = tokio::select! {
            report = tokio::time::timeout(PATIENCE, prepared.run()) => report?.map(|_| true)?,
            () = given_up => false,
        };
        let freed = Open::until(&observer, Open::is_free).await?;
        drop(prepared);
        peace.footprint.converges(&database.config()).await?;
        database.drop().await?;
        Ok(if has_ended { Outcome::Missed } else { Outcome::Freed(freed) })
    }
}

impl fmt::Display for SilentRun {
    /// `pool, silent from message 12 to the server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.runner, self.fault)
    }
}
