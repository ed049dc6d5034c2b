//! A primary with a streaming standby.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dunlin_test::Server;
use tempfile::TempDir;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

/// How long a standby may take to start or to catch up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A primary of its own and a standby that follows it; both end with the value, or with the process.
#[derive(Debug)]
pub struct Standby {
    primary: Server,
    config: Config,
    /// A shell that ends the standby when its standard input does.
    shell: Child,
    _directory: TempDir,
}

impl Standby {
    /// Copies a new primary with `pg_basebackup` and starts the copy.
    pub async fn start() -> Self {
        let primary = Server::builder().setting("max_wal_senders", "4").setting("wal_level", "replica");
        let primary = primary.start().await.expect("tests need a server of their own");
        let source = primary.config();
        let socket = match source.get_hosts() {
            [Host::Unix(path), ..] => path.clone(),
            hosts => panic!("a server of our own is on a socket, not {hosts:?}"),
        };
        let port = source.get_ports().first().copied().unwrap_or(5432).to_string();
        let bin = primary.bin_dir().expect("a server of our own has binaries").to_owned();
        let user = source.get_user().unwrap_or("postgres").to_owned();

        // PostgreSQL runs as whoever owns its files; the primary's are a model.
        let owner = std::fs::metadata(&socket).expect("the primary has a socket directory");
        let directory = TempDir::with_prefix("dunlin-standby-").expect("a temporary directory");
        let data = directory.path().join("data");
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755))
            .expect("the directory is ours");
        std::fs::create_dir(&data).expect("the directory is empty");
        std::fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).expect("the directory is ours");
        chown(&data, Some(owner.uid()), Some(owner.gid())).expect("its owner is ours to choose");

        let mut copy = as_owner(&bin.join("pg_basebackup"), &bin, &owner);
        copy.args([
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--username",
            &user,
            "--port",
            &port,
        ]);
        copy.arg("--host").arg(&socket).arg("--pgdata").arg(&data);
        let copied = copy.output().expect("the server comes with pg_basebackup");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));

        let mut shell = as_owner(Path::new("/bin/sh"), &bin, &owner);
        let script = "\"$0\" -D \"$1\" -k \"$1\" -c listen_addresses= -p 5432 >\"$1/log\" 2>&1 & \
                      read -r _; kill -QUIT $!; wait";
        shell
            .args(["-c", script])
            .arg(bin.join("postgres"))
            .arg(&data)
            .stdin(Stdio::piped())
            .process_group(0);
        let shell = shell.spawn().expect("there is a shell");
        let mut config = Config::new();
        config.host_path(&data).port(5432).user(&user).dbname("postgres");
        Self { primary, config, shell, _directory: directory }
    }

    /// Connects to the primary.
    pub async fn primary(&self) -> Client {
        connect(&self.primary.config()).await.expect("the primary runs")
    }

    /// Connects to the standby once it has everything that the primary has.
    pub async fn caught_up(&self, primary: &Client) -> Client {
        let sql = "SELECT pg_current_wal_lsn()::text";
        let lsn: String = primary.query_one(sql, &[]).await.expect("the primary answers").get(0);
        let began = Instant::now();
        loop {
            if let Ok(client) = connect(&self.config).await {
                let sql = format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{lsn}', false)");
                if client.query_one(&sql, &[]).await.is_ok_and(|row| row.get(0)) {
                    return client;
                }
            }
            assert!(began.elapsed() < PATIENCE, "the standby did not catch up: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        let data: Option<PathBuf> = match self.config.get_hosts() {
            [Host::Unix(data), ..] => Some(data.clone()),
            _ => None,
        };
        data.and_then(|data| std::fs::read_to_string(data.join("log")).ok()).unwrap_or_default()
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        // The end of its standard input is what the shell waits for.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn as_owner(program: &Path, bin: &Path, owner: &std::fs::Metadata) -> Command {
    let mut command = Command::new(program);
    // Changing to somebody else is root's privilege, and only root needs to.
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() != owner.uid()) {
        command.uid(owner.uid()).gid(owner.gid());
    }
    // Provisioned binaries bring their own libpq, which the standby's receiver would otherwise look for in the system.
    if let Some(libraries) = bin.parent().map(|prefix| prefix.join("lib")).filter(|path| path.is_dir()) {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command.current_dir("/");
    command
}
