use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    process::Command,
};

use dunlin_test::{Error, Server};
use tokio_postgres::{Config, NoTls, config::Host};

pub(crate) async fn ask(config: &Config, sql: &str) -> String {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query_one(sql, &[]).await.unwrap().get(0)
}

pub(crate) fn folder(server: &Server) -> PathBuf {
    match server.config().get_hosts() {
        [Host::Unix(folder)] => folder.clone(),
        hosts => panic!("{hosts:?}"),
    }
}

/// A server of our own, even if DATABASE_URL is set for this run.
pub(crate) async fn own() -> Result<Server, Error> {
    Server::builder().setting("cluster_name", "own").start().await
}

#[tokio::test]
async fn a_server_answers_through_its_socket_and_through_its_url() {
    let server = own().await.unwrap();

    let through_socket = ask(&server.config(), "SELECT current_setting('server_version_num')").await;
    let through_tcp = ask(&server.url().parse().unwrap(), "SELECT host(inet_server_addr())").await;

    assert_eq!(through_socket, server.version_num().to_string());
    assert_eq!(through_tcp, "127.0.0.1");
    assert!(server.version_num() / 10_000 >= 13);
    assert!(server.version().starts_with(&(server.version_num() / 10_000).to_string()));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn tcp_wants_the_password_and_the_socket_wants_the_folder() {
    let server = own().await.unwrap();
    let mut stranger: Config = server.url().parse().unwrap();
    stranger.password("guess");

    let refused = stranger.connect(NoTls).await.err().unwrap();

    assert_eq!(refused.code().unwrap().code(), "28P01", "invalid_password");
    assert_eq!(folder(&server).metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn two_servers_live_side_by_side() {
    let (one, two) = tokio::try_join!(own(), own()).unwrap();

    let identify = "SELECT current_setting('data_directory')";
    let (first, second) = (ask(&one.config(), identify).await, ask(&two.config(), identify).await);

    assert_ne!(first, second);
    assert_ne!(one.url(), two.url());
    one.stop().await.unwrap();
    assert_eq!(ask(&two.config(), identify).await, second, "the end of one is not the other's");
}

#[tokio::test]
async fn a_server_does_not_care_for_durability_unless_asked_to() {
    let (quick, durable) = tokio::try_join!(own(), Server::builder().durable().start()).unwrap();
    let settings = "SELECT concat_ws(' ', current_setting('fsync'), current_setting('full_page_writes'), \
                    current_setting('synchronous_commit'))";

    assert_eq!(ask(&quick.config(), settings).await, "off off on");
    assert_eq!(ask(&durable.config(), settings).await, "on on on");
    assert!(durable.to_string().contains("data on disk"), "{durable}");
    assert!(!folder(&durable).starts_with("/dev/shm"));
}

#[tokio::test]
async fn settings_reach_the_server_as_they_are() {
    let odd = r"it's a \ 'test'";

    let server = Server::builder()
        .setting("wal_level", "minimal")
        .setting("wal_level", "logical")
        .setting("dunlin.odd", odd)
        .start()
        .await
        .unwrap();

    assert_eq!(
        ask(&server.config(), "SELECT current_setting('wal_level')").await,
        "logical",
        "the last one counts"
    );
    assert_eq!(ask(&server.config(), "SELECT current_setting('dunlin.odd')").await, odd);
}

#[tokio::test]
async fn a_server_speaks_utf8_and_takes_hundreds_of_connections() {
    let server = own().await.unwrap();

    assert_eq!(ask(&server.config(), "SELECT current_setting('server_encoding')").await, "UTF8");
    let most: i32 = ask(&server.config(), "SELECT current_setting('max_connections')").await.parse().unwrap();
    assert!(most >= 200, "{most}");
}

#[tokio::test]
async fn nobody_has_to_be_root_or_anybody_else() {
    let server = own().await.unwrap();
    let me = Command::new("id").arg("-u").output().unwrap();
    let me: u32 = String::from_utf8_lossy(&me.stdout).trim().parse().unwrap();

    let owner = folder(&server).join("data").metadata().unwrap().uid();

    assert_ne!(owner, 0);
    assert!(me == 0 || me == owner);
}

#[tokio::test]
async fn a_server_tells_where_it_came_from() {
    let server = own().await.unwrap();

    let bin = server.bin_dir().unwrap();
    assert!(bin.join("postgres").exists());
    let told = server.origin().to_string();
    assert_eq!(told, server.to_string());
    let start = format!("PostgreSQL {} from {}, data ", server.version(), bin.display());
    assert!(told.starts_with(&start), "{told}");
    assert!(told.ends_with(&format!(", socket {}/", folder(&server).display())), "{told}");
    assert!(
        !told.contains(
            server
                .url()
                .parse::<Config>()
                .unwrap()
                .get_password()
                .map_or("", |p| std::str::from_utf8(p).unwrap())
        )
    );
}

#[test]
fn a_server_is_not_tied_to_the_runtime_that_started_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime().block_on(own()).unwrap();

    let database = runtime().block_on(server.create_database()).unwrap();
    let name = runtime().block_on(ask(&database.config(), "SELECT current_database()::text"));

    assert_eq!(name, database.name());
}
