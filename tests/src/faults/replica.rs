//! A process that applies the scenario, from the inside and from the outside.

use std::{
    io,
    path::Path,
    pin::pin,
    process::{ExitCode, Output, Stdio},
    str::FromStr,
    time::Duration,
};

use dunlin::BoxError;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio_postgres::{Config, NoTls};

use crate::faults::{drop_at::DropAt, runner::is_lost, scenario::migrator};

/// How a replica ends that has lost its connection.
const LOST: u8 = 3;

/// How long a replica may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a replica does, a process of its own: it applies the scenario to the database of a URL. Where it is told to, it aborts
/// instead of dropping the future. It prints how many polls it took, or why it has failed.
///
/// # Errors
/// Arguments that it does not understand.
pub async fn replica(url: &str, abort: Option<&str>) -> Result<(String, ExitCode), BoxError> {
    // Whatever ends the parent ends this process.
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(1);
    });
    let config: Config = url.parse()?;
    let migrator = migrator();
    let run = dunlin::migrate(&config, NoTls, &migrator);
    let (polls, outcome) = match abort.map(DropAt::from_str).transpose()? {
        None => DropAt::count(run).await,
        Some(place) => {
            // What is dropped is a reference: no destructor runs.
            let run = pin!(run);
            match place.run(run).await {
                Ok(outcome) => (place.poll, outcome),
                Err(_) => std::process::abort(),
            }
        }
    };
    Ok(match outcome {
        Ok(_) => (polls.to_string(), ExitCode::SUCCESS),
        Err(error) if is_lost(&error) => (error.to_string(), ExitCode::from(LOST)),
        Err(error) => (format!("{:?}: {error}", error.kind()), ExitCode::FAILURE),
    })
}

/// A replica that runs. It is killed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Replica(Child);

/// How a replica has ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Everything is applied. It took so many polls.
    Done(usize),
    /// It has lost its connection.
    Lost,
    /// A signal has ended it.
    Killed,
}

impl Replica {
    /// Starts one, which the program becomes with the first argument `replica`.
    pub(crate) fn start(program: &Path, url: &str, abort: Option<DropAt>) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["replica", url]).args(abort.map(|place| place.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.kill_on_drop(true).spawn().map(Self)
    }

    /// Sends a signal, unless it is known to have ended.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), BoxError> {
        let pid = self.0.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        Ok(pid.map_or(Ok(()), |pid| kill_process(pid, signal))?)
    }

    /// Waits until it has ended.
    pub(crate) async fn end(mut self) -> Result<End, BoxError> {
        // Its end would be the replica's.
        let _stdin = self.0.stdin.take();
        let output = tokio::time::timeout(PATIENCE, self.0.wait_with_output()).await;
        let Output { status, stdout, .. } = output.map_err(|_| "a replica does not end")??;
        let said = String::from_utf8_lossy(&stdout);
        match status.code() {
            None => Ok(End::Killed),
            Some(0) => Ok(End::Done(said.trim().parse()?)),
            Some(code) if code == i32::from(LOST) => Ok(End::Lost),
            Some(code) => Err(format!("a replica has failed with {code}: {said}").into()),
        }
    }
}
