//! What integration tests and benchmarks share: one throw-away server a process, a proxy that counts flights and brings
//! about faults, a pooler and a standby.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "test support: whoever calls it wants to fail on the spot"
)]

pub mod faults;
pub mod fresh;
pub mod layouts;
mod messages;
mod pgbouncer;
pub mod proxy;
mod round;
mod standby;

use dunlin_test::{Database, Server};
use tokio::sync::OnceCell;

pub use crate::{
    messages::Message,
    pgbouncer::{PgBouncer, Pool, PoolMode},
    proxy::{Cut, Direction, Fault, Proxy, Traffic},
    round::Round,
    standby::Standby,
};

/// The server of this process. It is in a static, which is never dropped: its watchdog stops it when the process ends.
/// Under `cargo nextest`, which runs every test in a process of its own, every test gets its own server.
static SERVER: OnceCell<Server> = OnceCell::const_new();

/// Returns the server that the tests of this process share. It belongs to no runtime: those of `#[tokio::test]` come
/// and go.
pub async fn server() -> &'static Server {
    let start = || async { Server::shared().await.expect("tests need a server") };
    SERVER.get_or_init(start).await
}

/// Returns a new empty database for one test, gone at the end of its scope.
pub async fn database() -> Database {
    server().await.create_database().await.expect("tests need a database")
}
