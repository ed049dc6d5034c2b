//! Connections, and what a server is asked first.

use std::{env, time::Duration};

use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// What a running server says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) version: String,
    pub(crate) version_num: u32,
    pub(crate) has_fsync: bool,
}

/// Asks the server what it is, and gives its superuser the password for TCP.
pub(crate) async fn introduce(
    config: &Config,
    password: Option<&str>,
) -> Result<Facts, tokio_postgres::Error> {
    let ask = "SELECT current_setting('server_version'), current_setting('server_version_num'), current_setting('fsync')";
    let sql = match password {
        // Hexadecimal digits, of our own making: nothing to quote.
        Some(password) => format!("ALTER ROLE CURRENT_USER PASSWORD '{password}'; {ask}"),
        None => ask.to_owned(),
    };
    let messages = run(config, &sql).await?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let field = |index| row.and_then(|row| row.get(index)).unwrap_or_default();
    Ok(Facts {
        version: field(0).split_whitespace().next().unwrap_or_default().to_owned(),
        version_num: field(1).parse().unwrap_or_default(),
        has_fsync: field(2) != "off",
    })
}

/// Connects; the connection runs as a task on the current runtime until the client is dropped.
pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = bounded(config).connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a test database ended");
        }
    });
    Ok(client)
}

/// Runs the SQL on a connection of its own, which is closed when this returns.
async fn run(config: &Config, sql: &str) -> Result<Vec<SimpleQueryMessage>, tokio_postgres::Error> {
    let (client, connection) = bounded(config).connect(NoTls).await?;
    let work = async move { client.simple_query(sql).await };
    let (result, _) = tokio::join!(work, connection);
    result
}

/// The configuration with a bound on connecting, if it has none of its own.
fn bounded(config: &Config) -> Config {
    let mut config = config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    if config.get_application_name().is_none() {
        config.application_name(program());
    }
    config
}

/// What this program is called: one that Cargo has built has a hash in its name that no other package's has.
pub(crate) fn program() -> String {
    let program = env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name()).unwrap_or_default();
    name.to_string_lossy().into_owned()
}
