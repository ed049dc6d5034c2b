//! A proxy between a client and a PostgreSQL server that knows where messages begin and end.
//!
//! It runs on threads of its own: tokio's timers are good to a millisecond, which is too coarse for a round trip of 5, and
//! a busy test on a single-threaded runtime would slow the network down.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::messages::{Conversation, Message, Raw, Splitter, Turn};

/// A proxy in front of a server. It counts flights, may add a round trip, and may record what clients send.
///
/// A *flight* begins when a client sends something while no answer is owed to it, and lasts until the server has
/// answered everything (`ReadyForQuery` for each query and sync). So it counts round trips: connecting without a
/// password is one, with SCRAM three; a query is one; so is a burst of pipelined queries; `COPY ... FROM STDIN` is two. Whether
/// queries are pipelined is decided by when they are sent: give the proxy a round trip, so that the server's speed
/// doesn't matter. The flights of all connections add up.
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

    /// Returns how many connections are open now.
    pub fn connections(&self) -> usize {
        self.shared.state().open_connections()
    }

    /// Counts and records from the beginning.
    pub fn reset(&self) {
        let mut state = self.shared.state();
        state.flights = 0;
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

#[derive(Debug)]
enum Upstream {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Upstream {
    fn of(config: &Config) -> Self {
        let port = config.get_ports().first().copied().unwrap_or(5432);
        match config.get_hosts().first() {
            Some(Host::Unix(folder)) => Self::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            Some(Host::Tcp(host)) => Self::Tcp(host.clone(), port),
            None => Self::Tcp("localhost".to_owned(), port),
        }
    }

    fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).and_then(Stream::tcp),
            Self::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
        }
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
            serve(&Arc::new(client), &Arc::new(server), shared);
        }
    }
}

/// Four threads a connection: a reader and a writer in each direction, with a queue between them.
fn serve(client: &Arc<Stream>, server: &Arc<Stream>, shared: &Arc<Shared>) {
    let (to_server, for_server) = mpsc::channel();
    let (to_client, for_client) = mpsc::channel();
    {
        let mut state = shared.state();
        if state.is_over {
            return;
        }
        state.open_connections();
        state.connections.push([Arc::downgrade(client), Arc::downgrade(server)]);
    }
    let conversation = Arc::new(Mutex::new(Conversation::default()));
    let side = Side { shared: Arc::clone(shared), conversation };

    let (this, from, back) = (side.clone(), Arc::clone(client), to_client.clone());
    thread::spawn(move || this.listen_to_client(&from, &to_server, &back));
    let (this, from) = (side.clone(), Arc::clone(server));
    thread::spawn(move || this.listen_to_server(&from, &to_client));
    let (this, to) = (side.clone(), Arc::clone(server));
    thread::spawn(move || this.deliver(&for_server, &to));
    let to = Arc::clone(client);
    thread::spawn(move || side.deliver(&for_client, &to));
}

/// Messages on their way: those that arrived in one piece travel in one piece, as a network would have it.
#[derive(Debug)]
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
    turns: Vec<Turn>,
}

/// What the threads of one connection share.
#[derive(Clone, Debug)]
struct Side {
    shared: Arc<Shared>,
    conversation: Arc<Mutex<Conversation>>,
}

impl Side {
    fn conversation(&self) -> MutexGuard<'_, Conversation> {
        self.conversation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen_to_client(&self, client: &Stream, to_server: &Sender<Parcel>, back: &Sender<Parcel>) {
        let mut splitter = Splitter::of_client();
        client.each_read(|bytes| {
            let now = Instant::now();
            splitter.push(bytes);
            let messages = splitter.complete();
            // Counted before any of them is sent on, so that what came in one piece is one flight.
            let half = self.note(&messages);
            let (asks, sent): (Vec<Raw>, Vec<Raw>) = messages.into_iter().partition(Raw::asks_for_encryption);
            if !asks.is_empty() {
                let no = Parcel { due: now + 2 * half, bytes: vec![b'N'; asks.len()], turns: Vec::new() };
                let _ = back.send(no);
            }
            // A failure means that the other side has gone: the reading ends by itself then.
            let _ = to_server.send(Parcel { due: now + half, bytes: joined(&sent), turns: Vec::new() });
        });
    }

    fn note(&self, messages: &[Raw]) -> Duration {
        let mut state = self.shared.state();
        let mut conversation = self.conversation();
        for raw in messages {
            state.flights += usize::from(conversation.client_sent(raw));
            if state.is_recording {
                state.messages.push(raw.message());
            }
        }
        state.half
    }

    fn listen_to_server(&self, server: &Stream, to_client: &Sender<Parcel>) {
        let mut splitter = Splitter::of_server();
        server.each_read(|bytes| {
            let due = Instant::now() + self.shared.state().half;
            splitter.push(bytes);
            let messages = splitter.complete();
            let turns = messages.iter().filter_map(Raw::turn).collect();
            let _ = to_client.send(Parcel { due, bytes: joined(&messages), turns });
        });
    }

    /// Writes what arrives, when it is due; what is due at once goes out in one piece.
    fn deliver(&self, arriving: &Receiver<Parcel>, stream: &Stream) {
        let mut next = arriving.recv().ok();
        while let Some(parcel) = next.take() {
            let wait = parcel.due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            let (mut bytes, mut turns) = (parcel.bytes, parcel.turns);
            next = arriving.try_recv().ok();
            while let Some(more) = next.take_if(|more| more.due <= Instant::now()) {
                bytes.extend(more.bytes);
                turns.extend(more.turns);
                next = arriving.try_recv().ok();
            }
            // Before the client can react to it.
            turns.into_iter().for_each(|turn| self.conversation().client_gets(turn));
            if stream.write_all(&bytes).is_err() {
                break;
            }
            next = next.or_else(|| arriving.recv().ok());
        }
        stream.shut();
    }
}

fn joined(messages: &[Raw]) -> Vec<u8> {
    messages.iter().map(|raw| raw.bytes.as_slice()).collect::<Vec<_>>().concat()
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Reads until the end, whatever brings it.
    fn each_read(&self, mut take: impl FnMut(&[u8])) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = match self {
                Self::Tcp(stream) => (&*stream).read(&mut buffer),
                Self::Unix(stream) => (&*stream).read(&mut buffer),
            };
            match read {
                Ok(0) => return,
                Ok(length) => take(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
        }
    }

    fn shut(&self) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}
