//! A proxy between a client and a PostgreSQL server that knows where messages begin and end.
//!
//! It runs on threads of its own: tokio's timers are good to a millisecond, which is too coarse for a round trip of 5, and
//! a busy test on a single-threaded runtime would slow the network down.

mod connection;
mod fault;
mod stream;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use tokio_postgres::{Config, config::SslMode};

pub use crate::proxy::fault::{Cut, Direction, Effect, Fault, Traffic};
use crate::{
    messages::Message,
    proxy::{
        connection::serve,
        fault::Armed,
        stream::{Stream, Upstream},
    },
};

/// A proxy in front of a server. It counts flights, may add a round trip, may record what clients send, and may be told
/// which messages do not arrive as they should.
///
/// A *flight* begins when a client sends something while no answer is owed to it, and lasts until the server has
/// answered everything (`ReadyForQuery` for each query and sync). So it counts round trips: connecting without a
/// password is one, with SCRAM three; a query is one; so is a burst of pipelined queries; `COPY ... FROM STDIN` is two. Whether
/// queries are pipelined is decided by when they are sent: give the proxy a round trip, so that the server's speed
/// doesn't matter. The flights of all connections add up.
///
/// A *fault* strikes one message, counted in one direction over all connections: see [`arm`](Self::arm). A connection
/// without faults, and the connections after the one that was struck, are served as ever.
///
/// Connections through the proxy break when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    config: Config,
    address: SocketAddr,
}

impl Proxy {
    /// Starts a proxy in front of the (first) server of the configuration.
    pub async fn start(server: &Config) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let shared = Arc::new(Shared { upstream: Upstream::of(server), state: Mutex::new(State::default()) });
        let config = through(server, address);
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { shared, config, address }
    }

    /// Delays every message by half of this, in both directions: latency without a limit of throughput.
    #[must_use]
    pub fn with_round_trip(self, round_trip: Duration) -> Self {
        self.shared.state().half = round_trip / 2;
        self
    }

    /// Records what clients send, for [`messages`](Self::messages).
    #[must_use]
    pub fn with_recording(self) -> Self {
        self.shared.state().is_recording = true;
        self
    }

    /// Returns how to connect through the proxy.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// Returns how many flights there were since the start or the last [`reset`](Self::reset).
    pub fn flights(&self) -> usize {
        self.shared.state().flights
    }

    /// Returns what clients have sent since the start or the last [`reset`](Self::reset), if it is recorded.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.state().messages.clone()
    }

    /// Arms faults, in place of those that were armed before. They strike one after the other, each of them counted from
    /// the one before it.
    pub fn arm(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state().armed = Armed::new(faults);
    }

    /// Cuts all connections that are open now.
    pub fn cut_all(&self) {
        self.shared.state().connections.iter().flatten().filter_map(Weak::upgrade).for_each(|end| end.shut());
    }

    /// Returns how many of the faults that were armed last have struck.
    pub fn struck(&self) -> usize {
        self.shared.state().armed.struck()
    }

    /// Returns how many messages went each way since the start or the last [`reset`](Self::reset). Those that a fault has
    /// struck count, those behind them do not.
    pub fn traffic(&self) -> Traffic {
        self.shared.state().traffic
    }

    /// Returns how many connections are open now.
    pub fn connections(&self) -> usize {
        self.shared.state().open_connections()
    }

    /// Counts and records from the beginning.
    pub fn reset(&self) {
        let mut state = self.shared.state();
        state.flights = 0;
        state.traffic = Traffic::default();
        state.messages.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let connections = {
            let mut state = self.shared.state();
            state.is_over = true;
            std::mem::take(&mut state.connections)
        };
        connections.iter().flatten().filter_map(Weak::upgrade).for_each(|stream| stream.shut());
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    half: Duration,
    is_recording: bool,
    is_over: bool,
    flights: usize,
    traffic: Traffic,
    armed: Armed,
    messages: Vec<Message>,
    /// Both ends of every connection, to be shut at the end; those that have ended are gone.
    connections: Vec<[Weak<Stream>; 2]>,
}

impl State {
    /// Forgets the connections that have ended, and counts the others.
    fn open_connections(&mut self) -> usize {
        self.connections.retain(|ends| ends.iter().any(|end| end.strong_count() > 0));
        self.connections.len()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same role and database by way of the proxy. It reads along, so there is no TLS.
fn through(server: &Config, proxy: SocketAddr) -> Config {
    let mut config = Config::new();
    config.host(proxy.ip().to_string()).port(proxy.port()).ssl_mode(SslMode::Disable);
    if let Some(user) = server.get_user() {
        config.user(user);
    }
    if let Some(password) = server.get_password() {
        config.password(password);
    }
    if let Some(name) = server.get_dbname() {
        config.dbname(name);
    }
    if let Some(options) = server.get_options() {
        config.options(options);
    }
    if let Some(name) = server.get_application_name() {
        config.application_name(name);
    }
    config
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.state().is_over {
            return;
        }
        // A server that is gone looks like one that closes the connection at once.
        if let Ok(client) = client.and_then(Stream::tcp)
            && let Ok(server) = shared.upstream.connect()
        {
            serve(client, server, shared);
        }
    }
}
