use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use dunlin::BoxError;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::Release;
use crate::fleet::Client;

/// How long a process may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is asked whether something is so by now.
const PAUSE: Duration = Duration::from_millis(5);

/// A replica that runs as a process. It is killed when the value is dropped, and ends by itself when the program that has started it is gone.
#[derive(Debug)]
pub struct Process {
    name: String,
    release: Release,
    child: Child,
    address: SocketAddr,
    client: Client,
    began: Instant,
    live_after: Duration,
}

impl Process {
    /// Starts `program serve`, and comes back when it is alive.
    ///
    /// # Errors
    ///
    /// If it ends, or is not alive within 20 seconds.
    pub async fn start(
        program: &Path,
        release: Release,
        name: &str,
        database_url: &str,
    ) -> Result<Self, BoxError> {
        let began = Instant::now();
        let mut child = Command::new(program)
            .args(["serve", "--release", &release.to_string(), "--name", name, "--port", "0", "--attached"])
            // In the environment, where the list of processes does not show it.
            .env("DATABASE_URL", database_url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or("the replica has no output")?).lines();
        let line = timeout(PATIENCE, said.next_line()).await??.ok_or("the replica has ended")?;
        let address = line.strip_prefix("listening on ").ok_or("the replica says something else")?.parse()?;
        let mut process = Self {
            name: name.to_owned(),
            release,
            child,
            address,
            client: Client::default(),
            began,
            live_after: Duration::ZERO,
        };
        process.until("/livez", PATIENCE).await?;
        process.live_after = began.elapsed();
        Ok(process)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which release it is.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long after its start it has answered that it is alive.
    #[must_use]
    pub fn live_after(&self) -> Duration {
        self.live_after
    }

    /// Whether it says that it may be sent requests.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn is_ready(&self) -> Result<bool, BoxError> {
        Ok(self.get("/readyz").await?.0 == StatusCode::OK)
    }

    /// Waits until it is ready, and says how long that was after its start.
    ///
    /// # Errors
    ///
    /// If it is not within this time, or ends.
    pub async fn ready(&self, bound: Duration) -> Result<Duration, BoxError> {
        self.until("/readyz", bound).await?;
        Ok(self.began.elapsed())
    }

    /// What it answers there.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn get(&self, path: &str) -> Result<(StatusCode, Value), BoxError> {
        self.client.get(&format!("http://{}{path}", self.address)).await
    }

    /// What it tells of its migrations: `/migrations`.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn migrations(&self) -> Result<Value, BoxError> {
        Ok(self.get("/migrations").await?.1)
    }

    /// Waits until it is in this phase.
    ///
    /// # Errors
    ///
    /// If it is not within this time, or ends.
    pub async fn reaches(&self, phase: &str, bound: Duration) -> Result<(), BoxError> {
        let began = Instant::now();
        while self.get("/livez").await?.1["phase"] != phase {
            if began.elapsed() > bound {
                return Err(format!("replica {} does not become {phase}", self.name).into());
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Tells it to end, with SIGTERM.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn terminate(&self) -> Result<(), BoxError> {
        let id = self.child.id().ok_or("the replica has ended")?;
        let pid = Pid::from_raw(i32::try_from(id)?).ok_or("the replica has no id")?;
        Ok(kill_process(pid, Signal::TERM)?)
    }

    /// Ends its input, as it ends when the program is gone that has started it.
    pub fn let_go(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If it has not ended within this time.
    pub async fn end(&mut self, bound: Duration) -> Result<ExitStatus, BoxError> {
        let ended = timeout(bound, self.child.wait()).await;
        Ok(ended.map_err(|_| format!("replica {} does not end", self.name))??)
    }

    /// [`terminate`](Self::terminate)s it and waits for its end, and says how long that took.
    ///
    /// # Errors
    ///
    /// If it does not end within ten seconds, or not well.
    pub async fn stop(mut self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        self.terminate()?;
        let status = self.end(Duration::from_secs(10)).await?;
        match status.success() {
            true => Ok(began.elapsed()),
            false => Err(format!("replica {} has ended with {status}", self.name).into()),
        }
    }

    /// Kills it, with SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// If the system does not.
    pub async fn kill(mut self) -> Result<(), BoxError> {
        Ok(self.child.kill().await?)
    }

    async fn until(&self, path: &str, bound: Duration) -> Result<(), BoxError> {
        let began = Instant::now();
        loop {
            let answered = self.get(path).await;
            match answered {
                Ok((StatusCode::OK, _)) => return Ok(()),
                Ok((_, body)) if began.elapsed() > bound => {
                    return Err(
                        format!("replica {}: {path} is not 200: {}", self.name, body["reason"]).into()
                    );
                }
                Err(error) if began.elapsed() > bound => return Err(error),
                _ => sleep(PAUSE).await,
            }
        }
    }
}
