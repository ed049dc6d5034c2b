use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use tokio_postgres::Config;

use crate::{
    account::Account,
    cluster::{Cluster, SUPERUSER},
    error::{Error, Fault},
    files::{self, Alive, Pipe},
    installation::Installation,
    session::{self, Facts},
};

/// Whether a server is its owner's alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Sharing {
    #[default]
    Private,
    Shared,
}

impl Sharing {
    /// For how many seconds a server waits for the next user when the last one has gone: test programs run one after
    /// another, and under nextest tests do.
    pub(crate) fn linger(self) -> &'static str {
        match self {
            Self::Private => "0",
            Self::Shared => "2",
        }
    }
}

/// Starts the server, and outlives its owner just long enough to stop it.
///
/// - The owner holds the write end of standard input. Its end is the end of the owner, whichever way that came. That of a
///   shared server is a named pipe: everybody who uses the server holds a write end, and has written a byte when he came.
///   Once all are gone those who come within `linger` seconds find the server still there, and an hour later as long as
///   it runs and the file `kept` says that somebody may want to look at a database. Then the pipe loses its name, so that nobody
///   comes any more, and who has come at this very moment is waited for.
/// - The signals of a terminal are for the owner, not for this process group; HUP, INT and TERM are ignored all the same.
/// - Its standard output is the owner's lock, which so lasts until both are gone: nobody sweeps under its feet.
/// - The server may end first (a taken port, a crash): the file `exit` says so.
/// - A shell starts its background commands with QUIT ignored, until the server says otherwise: one signal may come
///   too early. It is repeated, but only while the server's own pid file says that the number is still the
///   server's, and not for ever.
const WATCHDOG: &str = r#"
folder=$1; linger=$2; shift 2
exec 3<&0 </dev/null
"$@" 3<&- >>"$folder/log" 2>&1 &
server=$!
trap '' HUP INT TERM
{
  until [ -z "$(cat <&3)" ]; do
    waited=0
    sleep "$linger"
    while [ -e "$folder/kept" ] && [ ! -e "$folder/exit" ] && [ "$waited" -lt 1800 ]; do
      waited=$((waited + 1))
      sleep 2
    done
  done
  mv "$folder/alive" "$folder/closed" 2>/dev/null
  cat <&3 >/dev/null
  tries=0
  until [ -e "$folder/exit" ] || [ ! -d "$folder" ] || [ "$tries" -ge 1000 ]; do
    if [ -e "$folder/data/postmaster.pid" ]; then kill -QUIT "$server" 2>/dev/null; fi
    tries=$((tries + 1))
    sleep 0.01 2>/dev/null || sleep 1
  done
} &
owner=$!
wait "$server"
echo "$?" >"$folder/exit"
wait "$owner"
rm -rf "$folder"
"#;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, and the pipe that keeps it running.
///
/// Dropping it stops the server at once, and removes it, without waiting for either.
#[derive(Debug)]
pub(crate) struct Process {
    watchdog: Option<Watchdog>,
    folder: PathBuf,
    port: u16,
    password: String,
}

/// The shell that watches, and what keeps it from acting.
#[derive(Debug)]
struct Watchdog {
    child: Child,
    pipe: Option<Pipe>,
    alive: Alive,
}

impl Process {
    pub(crate) fn spawn(
        cluster: Cluster,
        installation: &Installation,
        account: &Account,
        sharing: Sharing,
    ) -> Result<Self, Error> {
        Self::spawn_on(free_port()?, cluster, installation, account, sharing)
    }

    fn spawn_on(
        port: u16,
        cluster: Cluster,
        installation: &Installation,
        account: &Account,
        sharing: Sharing,
    ) -> Result<Self, Error> {
        let password = files::random_digits()?;
        let mut command = account.command("sh");
        command.args(["-c", WATCHDOG, "dunlin-watchdog"]).arg(cluster.folder.path());
        command.arg(sharing.linger());
        command.arg(installation.bin().join("postgres")).arg("-D").arg(cluster.folder.data());
        command.args(["-p", &port.to_string()]);
        let lock = cluster.folder.lock().map_err(Fault::file("share the lock of", cluster.folder.path()))?;
        let (stdin, pipe) = match sharing {
            Sharing::Private => (Stdio::piped(), None),
            Sharing::Shared => {
                let (read, pipe) = cluster.folder.pipe()?;
                (Stdio::from(read), Some(pipe))
            }
        };
        command.stdin(stdin).stdout(lock).stderr(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(Fault::file("run", "sh"))?;
        let (folder, alive) = cluster.folder.keep();
        Ok(Self { watchdog: Some(Watchdog { child, pipe, alive }), folder, port, password })
    }

    /// Waits until the server answers.
    pub(crate) async fn ready(&self) -> Result<Facts, Error> {
        let started = Instant::now();
        let config = self.config();
        let mut pause = Duration::from_millis(2);
        loop {
            let error = match session::introduce(&config, Some(&self.password)).await {
                Ok(facts) => return Ok(facts),
                Err(error) => error,
            };
            if self.folder.join("exit").exists() {
                return Err(Fault::Ended { log: self.log() }.into());
            }
            if started.elapsed() > PATIENCE {
                return Err(
                    Fault::NotReady { seconds: PATIENCE.as_secs(), log: self.log(), source: error }.into()
                );
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Through the socket, as superuser, to the maintenance database.
    pub(crate) fn config(&self) -> Config {
        config(&self.folder, self.port)
    }

    /// Through TCP with a password, without the database's name.
    pub(crate) fn url(&self) -> String {
        url(self.port, &self.password)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// Takes what keeps a shared server running. Its watchdog is left to itself.
    pub(crate) fn into_hold(mut self) -> Option<(Pipe, Alive)> {
        let Watchdog { pipe, alive, .. } = self.watchdog.take()?;
        Some((pipe?, alive))
    }

    /// Stops the server, and returns when it is gone with its folder.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        self.watchdog.take().map_or(Ok(()), end).map_err(Fault::file("stop the server in", &self.folder))
    }

    fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            // The watchdog does it; the thread only takes its exit status, lest a zombie stays.
            thread::spawn(move || end(watchdog));
        }
    }
}

/// Through the socket in this folder, as superuser, to the maintenance database.
pub(crate) fn config(folder: &Path, port: u16) -> Config {
    let mut config = Config::new();
    config.host_path(folder).port(port).user(SUPERUSER).dbname("postgres");
    config
}

/// Through TCP with a password, without the database's name.
pub(crate) fn url(port: u16, password: &str) -> String {
    format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/")
}

fn end(Watchdog { mut child, pipe, alive }: Watchdog) -> io::Result<()> {
    drop((child.stdin.take(), pipe));
    child.wait()?;
    drop(alive);
    Ok(())
}

/// A port that is free now. Should somebody take it before the server does, the start is tried again.
fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Fault::file("bind a port of", "127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{builder::Durability, installation};

    #[tokio::test]
    async fn a_port_that_somebody_else_has_taken_is_told_from_other_failures() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let account = Account::for_server().unwrap();
        let Ok(installation) = Installation::first_of(installation::installed(), None, &account) else {
            // Provisioning is for the integration tests: this needs any server at all.
            return;
        };
        let cluster = Cluster::create(&installation, &account, Durability::Off, &[]).unwrap();

        let port = taken.local_addr().unwrap().port();
        let process = Process::spawn_on(port, cluster, &installation, &account, Sharing::Private).unwrap();

        let error = process.ready().await.unwrap_err();
        assert!(error.is_port_taken(), "{error}");
    }
}
