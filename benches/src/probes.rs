//! What it costs a migration that somebody asks all the while whether the service is ready.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::{Request, StatusCode};
use axum::{Router, body::Body};
use dunlin::{Direct, MigrationSet, Migrator};
use dunlin_startup::Startup;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::arena::{Arena, rotated, within};
use crate::samples::Samples;
use crate::table::Row;
use crate::{Failure, Options, Place, Table};

/// The design's target.
const TARGET: f64 = 1.05;

/// So many connections ask, each so often: 1,000 requests a second.
const CLIENTS: usize = 4;
const EVERY: Duration = Duration::from_millis(4);

pub(crate) async fn measure(
    arena: &Arena,
    options: &Options,
    table: &mut Table,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let rows = if options.is_quick() { 200_000 } else { 2_000_000 };
    let mut times = [Samples::default(), Samples::default()];
    let (mut asked, mut longest, mut took) = (0, Duration::ZERO, Duration::ZERO);
    for round in 0..options.rounds(5) {
        for way in rotated(times.len(), round) {
            let outcome = within(once(arena, rows, way == 1)).await?;
            if let Some(times) = times.get_mut(way) {
                times.push(Some(outcome.took));
            }
            if let Some(load) = outcome.load {
                (asked, longest) = (asked + load.asked, longest.max(load.longest));
                took += outcome.took;
            }
        }
    }
    let [alone, beside] = &times;
    let row = |contestant: &str, samples: &Samples| Row {
        contestant: contestant.to_owned(),
        time: samples.median(),
        ..Row::default()
    };
    let beside = Row {
        ratio: beside.ratio(alone),
        target: Some(TARGET),
        ..row("1,000 requests a second on /readyz", beside)
    };
    let slowest = Row { time: Some(longest), ..row("the slowest answer", alone) };
    table.push(&format!("an index on {rows} rows"), [row("nobody asks", alone), beside, slowest]);
    notes.push(format!(
        "Probes: from the start of a service until it is ready, which builds an index concurrently. Who asks is in the same process as the \
         service, on the same processors as the server; {} requests in {:.1} s, all of them answered.",
        asked,
        took.as_secs_f64()
    ));
    Ok(())
}

struct Outcome {
    took: Duration,
    load: Option<Load>,
}

/// What those who ask have seen.
#[derive(Default)]
struct Load {
    asked: u64,
    longest: Duration,
}

async fn once(arena: &Arena, rows: u32, is_asked: bool) -> Result<Outcome, Failure> {
    let database = arena.database().await?;
    let place = Place::socket(&database);
    let filled = format!(
        "CREATE TABLE flock (id bigint PRIMARY KEY, name text NOT NULL); \
         INSERT INTO flock SELECT n, md5(n::text) FROM generate_series(1, {rows}) AS n"
    );
    let set = || MigrationSet::builder().sql(1, "flock", &filled);
    dunlin::migrate(place.config(), NoTls, &Migrator::new(set().build()?)).await?;
    let client = place.connect().await?;
    client.batch_execute("VACUUM flock").await?;
    client.batch_execute("CHECKPOINT").await?;
    let index = "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY flock_name ON flock (lower(name), id)";
    let migrator = Migrator::new(set().sql(2, "index", index).build()?);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let began = Instant::now();
    let startup = Startup::new(Direct::new(place.config().clone(), NoTls), migrator).start();
    let app = Router::new().merge(dunlin_axum::probes(&startup));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..if is_asked { CLIENTS } else { 0 } {
        clients.spawn(ask(address, Arc::clone(&is_over)));
    }
    startup.wait_ready().await?;
    let took = began.elapsed();
    is_over.store(true, Ordering::Relaxed);
    let mut load = Load::default();
    while let Some(client) = clients.join_next().await {
        let Load { asked, longest } = client??;
        (load.asked, load.longest) = (load.asked + asked, load.longest.max(longest));
    }
    server.abort();
    drop(startup);
    database.drop().await?;
    Ok(Outcome { took, load: is_asked.then_some(load) })
}

async fn ask(address: SocketAddr, is_over: Arc<AtomicBool>) -> Result<Load, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut load = Load::default();
    let mut ticks = tokio::time::interval(EVERY);
    while !is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let request = Request::get("/readyz").header("host", "localhost").body(Body::empty())?;
        let began = Instant::now();
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        axum::body::to_bytes(Body::new(answer.into_body()), usize::MAX).await?;
        if ![StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
            return Err(format!("/readyz has answered {status}").into());
        }
        (load.asked, load.longest) = (load.asked + 1, load.longest.max(began.elapsed()));
    }
    Ok(load)
}
