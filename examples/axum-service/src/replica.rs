use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use deadpool_postgres::{Manager, Pool, Runtime};
use dunlin_axum::Gate;
use dunlin_deadpool::Pooled;
use dunlin_startup::{PutOff, Startup};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Config, NoTls};

use crate::{CallLog, Release, Service};

/// How long requests are taken after the replica has said that it is not ready any more: whoever sends them has to hear of it first.
const NOTICE: Duration = Duration::from_millis(300);
/// How long the migrations have to come to a place where nothing is half done.
const GRACE: Duration = Duration::from_secs(1);
/// How long requests have that are being answered, and the log of calls after them.
const LAST_REQUESTS: Duration = Duration::from_millis(900);
const LAST_CALLS: Duration = Duration::from_millis(300);

/// One replica of the service: it answers from the first moment, and migrates meanwhile.
#[derive(Debug)]
pub struct Replica {
    listener: TcpListener,
    startup: Startup,
    routes: Router,
    pool: Pool,
    log: JoinHandle<()>,
}

impl Replica {
    /// Opens the port, 0 for any, and begins to migrate.
    ///
    /// # Errors
    ///
    /// If the port is taken.
    pub async fn bind(release: Release, name: &str, port: u16, database: Config) -> io::Result<Self> {
        // Before all else: who asks whether it is alive gets an answer while the database is not there.
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let pool = Pool::builder(Manager::new(database, NoTls))
            .max_size(6)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(Duration::from_secs(5)))
            .create_timeout(Some(Duration::from_secs(5)))
            .build()
            .map_err(io::Error::other)?;

        let startup = Startup::new(Pooled::new(&pool), release.migrator(name))
            .backfills(PutOff::InBackground)
            .grace(GRACE)
            .start();

        let (calls, log) = CallLog::start(pool.clone(), release);
        let routes = Service::new(pool.clone(), release, calls)
            .routes()
            // 503 until the schema is there.
            .layer(Gate::refuse(&startup))
            // /livez, /readyz and /startupz.
            .merge(dunlin_axum::probes(&startup))
            // /migrations as JSON and as a page. A service of yours has an authentication before it.
            .merge(dunlin_axum::migrations(&startup));
        Ok(Self { listener, startup, routes, pool, log })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is told to end. It is not ready from that moment on, takes requests for a little longer, stops the migrations where
    /// nothing is half done, and comes back within two seconds.
    ///
    /// # Errors
    ///
    /// If it can't listen any more.
    pub async fn serve(self, told_to_end: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, startup, routes, pool, log } = self;
        let (close, closed) = oneshot::channel::<()>();
        let close_when_told = async {
            // An error is as good: who has the other end has gone.
            let _ = closed.await;
        };
        let mut serving =
            tokio::spawn(axum::serve(listener, routes).with_graceful_shutdown(close_when_told).into_future());
        tokio::select! {
            () = told_to_end => {}
            served = &mut serving => return served.map_err(io::Error::other)?,
        }

        let requests = async {
            sleep(NOTICE).await;
            drop(close);
            if timeout(LAST_REQUESTS, &mut serving).await.is_err() {
                tracing::warn!("requests are cut off");
                serving.abort();
                let _ = serving.await;
            }
        };
        tokio::join!(startup.shutdown(), requests);
        // The routes are gone, and with them all who write into the log.
        if timeout(LAST_CALLS, log).await.is_err() {
            tracing::warn!("calls are not written down");
        }
        pool.close();
        Ok(())
    }
}

/// What comes back when the process is told to end: SIGTERM, or ctrl-c. Signals are seen from this call on.
///
/// # Errors
///
/// If the system does not tell of signals.
pub fn terminated() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        let terminated = signals.recv();
        #[cfg(not(unix))]
        let terminated = std::future::pending::<Option<()>>();
        tokio::select! {
            _ = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    })
}
