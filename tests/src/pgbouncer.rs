//! A pgbouncer in front of a throw-away server.

mod installation;
mod packages;

use std::fmt;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow};

use crate::pgbouncer::installation::Installation;

/// How long pgbouncer may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The socket is in a private folder: any port will do.
const PORT: u16 = 6432;

/// Who connects to the pool; the role at the server is another.
const USER: &str = "pooled";

/// Starts pgbouncer, and ends it with its folder when standard input ends, whichever way that came. It keeps nothing, so
/// nothing is lost by killing it.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
"$0" "$1/pgbouncer.ini" >>"$1/log" 2>&1 </dev/null &
pgbouncer=$!
read -r _
kill -KILL "$pgbouncer"
wait "$pgbouncer"
rm -rf "$1"
"#;

/// When a client gives the server connection back that it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// When it disconnects.
    Session,
    /// At the end of each transaction.
    Transaction,
    /// After each statement; transactions are refused.
    Statement,
}

impl fmt::Display for PoolMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
        })
    }
}

/// A running pgbouncer with a pool for each database of a server. Whoever connects works as the role of the server's
/// configuration. It ends with the value, or with the process.
#[derive(Debug)]
pub struct PgBouncer {
    folder: TempDir,
    /// A shell that ends pgbouncer when its standard input does.
    shell: Child,
    mode: PoolMode,
    pool_size: usize,
}

impl PgBouncer {
    /// Starts pgbouncer in front of the (first) server of the configuration, with so many connections a database. It is
    /// installed first where there is none.
    pub async fn start(server: &Config, mode: PoolMode, pool_size: usize) -> Self {
        let found = tokio::task::spawn_blocking(Installation::find_or_install).await;
        let installation = found.expect("nobody aborts it").unwrap_or_else(|error| panic!("{error}"));
        let (uid, gid) = account(server);
        let folder = TempDir::with_prefix("dunlin-pgbouncer-").expect("a temporary folder");
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings(server, folder.path(), mode, pool_size)).expect("the folder is ours");
        // The address of the server is all that is in it, and maybe a password.
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("the file is ours");
        for path in [file.as_path(), folder.path()] {
            chown(path, Some(uid), Some(gid)).expect("its owner is ours to choose");
        }

        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", WATCHDOG]).arg(installation.program()).arg(folder.path());
        if let Some(libraries) = installation.libraries() {
            shell.env("LD_LIBRARY_PATH", libraries);
        }
        if own_uid() != uid {
            shell.uid(uid).gid(gid);
        }
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = shell.current_dir("/").process_group(0).spawn().expect("there is a shell");
        let this = Self { folder, shell, mode, pool_size };
        this.ready().await;
        this
    }

    /// How to connect to a database of the server by way of the pool.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder.path()).port(PORT).user(USER).dbname(database);
        config
    }

    /// Connects to a database of the server by way of the pool.
    pub async fn connect(&self, database: &str) -> Client {
        self.try_connect(database).await.unwrap_or_else(|error| panic!("{error}: {}", self.log()))
    }

    /// Runs a command of the console, such as `SHOW POOLS`, `RECONNECT` or `KILL name`.
    pub async fn admin(&self, command: &str) -> Vec<SimpleQueryRow> {
        let console = self.connect("pgbouncer").await;
        let answers = console.simple_query(command).await.expect("the console answers");
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        };
        answers.into_iter().filter_map(row).collect()
    }

    /// What the pool of a database is doing now.
    pub async fn pool(&self, database: &str) -> Pool {
        let rows = self.admin("SHOW POOLS").await;
        let of_database = rows.iter().filter(|row| row.get("database") == Some(database));
        of_database.map(Pool::of).fold(Pool::default(), Pool::and)
    }

    /// The settings of dunlin that the server connections to a database have though nobody runs there.
    pub async fn settings_left(&self, database: &str) -> Vec<String> {
        let mut clients = Vec::new();
        let mut left = Vec::new();
        for _ in 0..self.pool_size {
            let client = self.connect(database).await;
            // Each transaction holds one of them.
            let sql = "BEGIN; SELECT name || ' = ' || setting FROM pg_settings \
                       WHERE name IN ('search_path', 'lock_timeout', 'row_security', 'statement_timeout', 'dunlin.owner') \
                       AND source = 'session' AND setting <> reset_val";
            for message in client.simple_query(sql).await.expect("the pool has a connection") {
                if let SimpleQueryMessage::Row(row) = message {
                    left.extend(row.get(0).map(str::to_owned));
                }
            }
            clients.push(client);
        }
        left
    }

    /// What it has said if it has ended by itself.
    pub fn last_words(&self) -> Option<String> {
        self.log().lines().rfind(|line| line.contains("FATAL")).map(str::to_owned)
    }

    async fn ready(&self) {
        let began = Instant::now();
        while let Err(error) = self.try_connect("pgbouncer").await {
            assert!(began.elapsed() < PATIENCE, "pgbouncer does not answer: {error}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn try_connect(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config(database).connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl fmt::Display for PgBouncer {
    /// `a pool of 4 in transaction mode`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a pool of {} in {} mode", self.pool_size, self.mode)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // The end of its standard input is what the shell waits for.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// What `SHOW POOLS` says about a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// Clients that have a server connection.
    pub active: usize,
    /// Clients that wait for one.
    pub waiting: usize,
    /// Server connections, whatever they do.
    pub servers: usize,
}

impl Pool {
    fn of(row: &SimpleQueryRow) -> Self {
        let number = |name| row.get(name).and_then(|value: &str| value.parse().ok()).unwrap_or(0_usize);
        let servers = ["sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login"];
        Self {
            active: number("cl_active"),
            waiting: number("cl_waiting"),
            servers: servers.into_iter().map(number).sum(),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            active: self.active + other.active,
            waiting: self.waiting + other.waiting,
            servers: self.servers + other.servers,
        }
    }
}

/// Who runs pgbouncer, which refuses root: the owner of the server's socket, else this user, else nobody.
fn account(server: &Config) -> (u32, u32) {
    let own = own_uid();
    let socket = server.get_hosts().iter().find_map(|host| match host {
        Host::Unix(folder) => fs::metadata(folder).ok(),
        Host::Tcp(_) => None,
    });
    match socket {
        Some(owner) if own == 0 && owner.uid() != 0 => (owner.uid(), owner.gid()),
        _ if own == 0 => (65_534, 65_534),
        _ => (own, fs::metadata("/proc/self").map_or(own, |own| own.gid())),
    }
}

fn own_uid() -> u32 {
    fs::metadata("/proc/self").map_or(0, |own| own.uid())
}

fn settings(server: &Config, folder: &Path, mode: PoolMode, pool_size: usize) -> String {
    let host = match server.get_hosts().first() {
        Some(Host::Unix(path)) => path.clone(),
        Some(Host::Tcp(name)) => PathBuf::from(name),
        None => PathBuf::from("localhost"),
    };
    let port = server.get_ports().first().copied().unwrap_or(5432);
    let mut upstream = format!("host={} port={port}", quoted(&host.to_string_lossy()));
    upstream.push_str(&format!(" user={}", quoted(server.get_user().unwrap_or("postgres"))));
    if let Some(password) = server.get_password() {
        upstream.push_str(&format!(" password={}", quoted(&String::from_utf8_lossy(password))));
    }
    format!(
        "[databases]\n\
         * = {upstream}\n\
         [pgbouncer]\n\
         listen_addr =\n\
         listen_port = {PORT}\n\
         unix_socket_dir = {}\n\
         auth_type = any\n\
         admin_users = {USER}\n\
         pool_mode = {mode}\n\
         default_pool_size = {pool_size}\n\
         max_client_conn = 500\n\
         ignore_startup_parameters = extra_float_digits,options\n",
        folder.display(),
    )
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
