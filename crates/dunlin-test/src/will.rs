use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::TcpStream,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{Config, NoTls, config::Host};

use crate::{
    account::Account,
    error::{Error, Fault},
    files::{self, Folder},
    home_sql::{self, Kind},
    process::Sharing,
    session::Facts,
    shared::{Hold, Registry},
};

/// Executes the will when everybody has gone who shares it; see `WATCHDOG` for how it knows.
///
/// Standard error is a connection to the server on which nothing runs. What is written to it are messages that somebody
/// who can speak with PostgreSQL has written to files, each of them a `DROP DATABASE`, and at last a Terminate. The answers are
/// read all the while: a server that nobody reads from stops reading.
const EXECUTOR: &str = r#"
folder=$1; linger=$2
exec 3<&0 4>&2 </dev/null 2>/dev/null
trap '' HUP INT TERM
until [ -z "$(cat <&3)" ]; do sleep "$linger"; done
mv "$folder/alive" "$folder/closed"
cat <&3 >/dev/null
cat <&4 >/dev/null &
cat "$folder"/will/* >&4
printf 'X\000\000\000\004' >&4
wait
rm -rf "$folder"
"#;

/// What is to be dropped on a server that is not our own when all who share this have ended, however they end: a file for each
/// database or schema, in a folder that the processes of this user and project share.
///
/// A test's process ends without a word to anybody: what shall not stay has to be said before.
#[derive(Debug)]
pub(crate) struct Will {
    folder: PathBuf,
    _hold: Hold,
}

impl Will {
    /// Comes to the will that others have made for this server, or makes one.
    pub(crate) async fn find_or_make(url: &str, config: &Config, server: &Facts) -> Result<Self, Error> {
        let mut hasher = DefaultHasher::new();
        (url, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
        let name = format!("will-{:016x}", hasher.finish());
        let found = tokio::task::spawn_blocking(move || {
            let account = Account::own();
            let mut registry = Registry::lock(&name, &account)?;
            let found = registry.find().and_then(|folder| Some((files::enter(&folder, &account)?, folder)));
            Ok::<_, Error>((registry, found))
        });
        let (mut registry, found) = found.await.map_err(|_| Fault::Lost)??;
        if let Some((hold, folder)) = found {
            return Ok(Self { folder, _hold: hold });
        }
        let socket = idle_connection(config, server).await?;
        let will = tokio::task::spawn_blocking(move || {
            let will = Self::make(socket)?;
            registry.tell(&will.folder)?;
            Ok(will)
        });
        will.await.map_err(|_| Fault::Lost)?
    }

    fn make(socket: OwnedFd) -> Result<Self, Error> {
        let account = Account::own();
        let folder = Folder::create(&files::temporary(&account), &account)?;
        let entries = folder.path().join("will");
        fs::create_dir(&entries).map_err(Fault::file("create", &entries))?;
        let lock = folder.lock().map_err(Fault::file("share the lock of", folder.path()))?;
        let (read, pipe) = folder.pipe()?;
        let mut command = Command::new("sh");
        command.args(["-c", EXECUTOR, "dunlin-executor"]).arg(folder.path()).arg(Sharing::Shared.linger());
        command.stdin(Stdio::from(read)).stdout(lock).stderr(Stdio::from(socket)).process_group(0);
        command.spawn().map_err(Fault::file("run", "sh"))?;
        let (folder, alive) = folder.keep();
        Ok(Self { folder, _hold: (pipe, alive) })
    }

    /// Something about this will that no other has.
    pub(crate) fn token(&self) -> u32 {
        let mut hasher = DefaultHasher::new();
        self.folder.hash(&mut hasher);
        u32::try_from(hasher.finish() >> 32).unwrap_or_default()
    }

    /// Has the database, or the schema, dropped in the end. Called before there is one.
    pub(crate) fn add(&self, kind: Kind, name: &str) -> Result<(), Error> {
        let path = self.entry(name);
        fs::write(&path, query(&kind.drop(name))).map_err(Fault::file("write", path))
    }

    /// Leaves it where it is.
    pub(crate) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.entry(name));
    }

    fn entry(&self, name: &str) -> PathBuf {
        self.folder.join("will").join(name)
    }
}

/// The message that runs this SQL: see "Message Formats" in PostgreSQL's documentation.
fn query(sql: &str) -> Vec<u8> {
    let length = u32::try_from(sql.len() + 5).unwrap_or_default();
    [b"Q".as_slice(), &length.to_be_bytes(), sql.as_bytes(), b"\0"].concat()
}

/// Opens a connection that somebody else can go on with.
async fn idle_connection(config: &Config, server: &Facts) -> Result<OwnedFd, Error> {
    let failed = |source| Fault::Connect { to: "the maintenance database".to_owned(), source };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let host = config.get_hosts().first().cloned().unwrap_or(Host::Tcp("localhost".to_owned()));
    let opened = tokio::task::spawn_blocking(move || open(&host, port)).await.map_err(|_| Fault::Lost)?;
    let opened =
        opened.map_err(Fault::file("connect to the server of DATABASE_URL for", Path::new("cleaning up")))?;
    let lost = |source| Fault::file("use a connection for", Path::new("cleaning up"))(source);
    match opened {
        Opened::Unix(stream) => {
            let ours = stream.try_clone().map_err(lost)?;
            introduce(config, server, tokio::net::UnixStream::from_std(stream).map_err(lost)?)
                .await
                .map_err(failed)?;
            ours.set_nonblocking(false).map_err(lost)?;
            Ok(ours.into())
        }
        Opened::Tcp(stream) => {
            let ours = stream.try_clone().map_err(lost)?;
            introduce(config, server, tokio::net::TcpStream::from_std(stream).map_err(lost)?)
                .await
                .map_err(failed)?;
            ours.set_nonblocking(false).map_err(lost)?;
            Ok(ours.into())
        }
    }
}

enum Opened {
    Unix(UnixStream),
    Tcp(TcpStream),
}

fn open(host: &Host, port: u16) -> io::Result<Opened> {
    match host {
        Host::Unix(folder) => {
            let stream = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}")))?;
            stream.set_nonblocking(true)?;
            Ok(Opened::Unix(stream))
        }
        Host::Tcp(name) => {
            let stream = TcpStream::connect((name.as_str(), port))?;
            stream.set_nonblocking(true)?;
            Ok(Opened::Tcp(stream))
        }
    }
}

/// Says who we are. Afterwards nothing is under way on the socket, which stays open.
async fn introduce(
    config: &Config,
    server: &Facts,
    socket: impl AsyncRead + AsyncWrite + Unpin,
) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = config.connect_raw(socket, NoTls).await?;
    let settings = async {
        home_sql::without_timeouts(&client, server.version_num).await?;
        client.batch_execute("SET application_name = 'dunlin-test: drops test databases in the end'").await
    };
    let done = tokio::select! {
        done = settings => done,
        ended = &mut connection => ended,
    };
    // Before the client: it would say goodbye.
    drop(connection);
    drop(client);
    done
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::server::Server;

    #[tokio::test]
    async fn a_will_of_many_databases_is_executed_to_its_end() {
        let server = Server::builder().setting("cluster_name", "will").start().await.unwrap();
        let config = server.config();
        let socket = idle_connection(&config, server.facts()).await.unwrap();
        let will = Will::make(socket).unwrap();
        // Each is answered with a notice.
        (0..1000).for_each(|number| will.add(Kind::Database, &format!("missing_{number}")).unwrap());
        let folder = will.folder.clone();

        drop(will);

        let began = Instant::now();
        while folder.exists() {
            assert!(began.elapsed() < Duration::from_secs(30), "it is still at it");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn a_query_is_written_as_the_protocol_has_it() {
        assert_eq!(query("SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0");
    }
}
