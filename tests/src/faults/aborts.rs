//! A process that aborts: at each poll, and while a statement runs.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use dunlin::BoxError;
use rustix::process::Signal;

use crate::{
    database,
    faults::{
        footprint::{Open, witness},
        part::Part,
        peace::Peace,
        place::Place,
        replica::{End, Replica},
        runner::Runner,
        sweep::{Outcome, Tally, Trial, sweep},
    },
};

/// Aborts a process at each poll, after it, when what it has sent is on its way and before the next one; and kills one
/// while a statement runs that would take seconds. Between two polls nothing of dunlin's runs. The program must become a
/// [`replica`](crate::faults::replica) with the first argument `replica`.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn aborts(part: Part, program: &Path) -> Result<Tally, BoxError> {
    let database = database().await;
    let End::Done(polls) = Replica::start(program, &database.url(), None)?.end().await? else {
        return Err("a replica in peace does not end well".into());
    };
    let program = program.to_owned();
    let points = Place::all(polls).map(|place| AbortedRun { place, program: program.clone() });
    Ok(sweep("aborts", part.of(points), Peace::of(Runner::Boot).await?).await)
}

/// A run whose process ends.
struct AbortedRun {
    place: Place,
    program: PathBuf,
}

impl Trial for AbortedRun {
    async fn try_out(self, peace: &Peace) -> Result<Outcome, BoxError> {
        let database = database().await;
        let (observer, other) = (witness(&database.config()).await?, witness(&database.config()).await?);
        self.place.obstruct(&other).await?;
        let mut url = database.url();
        if let Place::Nap(nap) = self.place {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str("options=");
            url.push_str(&nap.option().replace(' ', "%20").replace('=', "%3D"));
        }
        let end = match self.place {
            Place::Poll(place) => Replica::start(&self.program, &url, Some(place))?.end().await?,
            _ => {
                let replica = Replica::start(&self.program, &url, None)?;
                self.place.reached(&observer).await?;
                replica.signal(Signal::KILL)?;
                replica.end().await?
            }
        };
        let freed = Open::until(&observer, Open::is_free).await?;
        drop(other);
        peace.footprint.converges(&database.config()).await?;
        database.drop().await?;
        match end {
            End::Killed => Ok(Outcome::Freed(freed)),
            End::Done(_) => Ok(Outcome::Missed),
            End::Lost => Err("the process says that it has lost its connection".into()),
        }
    }
}

impl fmt::Display for AbortedRun {
    /// `poll 12, sent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}
