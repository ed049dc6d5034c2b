//! One connection through the proxy: four threads, and what happens to the messages between them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    messages::{Conversation, Raw, Splitter, Turn},
    proxy::{
        Shared,
        fault::{Cut, Direction, Effect},
        stream::Stream,
    },
};

/// Serves a connection: a reader and a writer in each direction, with a queue between them.
pub(crate) fn serve(client: Stream, server: Stream, shared: &Arc<Shared>) {
    let (client, server) = (Arc::new(client), Arc::new(server));
    {
        let mut state = shared.state();
        if state.is_over {
            return;
        }
        state.open_connections();
        state.connections.push([Arc::downgrade(&client), Arc::downgrade(&server)]);
    }
    let (to_server, for_server) = mpsc::channel();
    let (to_client, for_client) = mpsc::channel();
    let connection = Connection { shared: Arc::clone(shared), client, server, link: Arc::default() };

    let (this, back) = (connection.clone(), to_client.clone());
    thread::spawn(move || this.listen_to_client(&to_server, &back));
    let this = connection.clone();
    thread::spawn(move || this.listen_to_server(&to_client));
    let this = connection.clone();
    thread::spawn(move || this.deliver(&for_server, &this.server));
    thread::spawn(move || connection.deliver(&for_client, &connection.client));
}

/// Messages on their way: those that arrived in one piece travel in one piece, as a network would have it.
#[derive(Debug)]
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
    turns: Vec<Turn>,
    /// So many requests for encryption were among them, which the proxy answers itself.
    refusals: usize,
    /// The connection is cut behind it.
    cuts: bool,
}

impl Parcel {
    fn new(due: Instant) -> Self {
        Self { due, bytes: Vec::new(), turns: Vec::new(), refusals: 0, cuts: false }
    }

    fn refusal(due: Instant, count: usize) -> Self {
        Self { bytes: vec![b'N'; count], ..Self::new(due) }
    }

    fn add(&mut self, raw: &Raw, direction: Direction) {
        if direction == Direction::ToClient {
            self.turns.extend(raw.turn());
        }
        if raw.asks_for_encryption() {
            self.refusals += 1;
        } else {
            self.bytes.extend_from_slice(&raw.bytes);
        }
    }

    /// Adds as much of a message as arrives when the connection is cut at it.
    fn end_with(&mut self, raw: &Raw, direction: Direction, cut: Cut) {
        match cut {
            Cut::Before => {}
            Cut::Half => self.bytes.extend(raw.bytes.iter().take(raw.bytes.len() / 2)),
            Cut::After => self.add(raw, direction),
        }
        self.cuts = true;
    }
}

/// What the threads of one connection share.
#[derive(Clone, Debug)]
struct Connection {
    shared: Arc<Shared>,
    client: Arc<Stream>,
    server: Arc<Stream>,
    link: Arc<Mutex<Link>>,
}

/// The state of a connection.
#[derive(Debug, Default)]
struct Link {
    conversation: Conversation,
    /// A fault has struck: nothing more passes.
    is_dead: bool,
}

impl Connection {
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen_to_client(&self, to_server: &Sender<Parcel>, back: &Sender<Parcel>) {
        let mut splitter = Splitter::of_client();
        self.client.each_read(|bytes| {
            let now = Instant::now();
            splitter.push(bytes);
            let (parcels, half) = self.pack(Direction::ToServer, &splitter.complete());
            for parcel in parcels {
                // A failure means that the other side has gone: the reading ends by itself then.
                if parcel.refusals > 0 {
                    let _ = back.send(Parcel::refusal(now + 2 * half, parcel.refusals));
                }
                let _ = to_server.send(parcel);
            }
        });
    }

    fn listen_to_server(&self, to_client: &Sender<Parcel>) {
        let mut splitter = Splitter::of_server();
        self.server.each_read(|bytes| {
            splitter.push(bytes);
            for parcel in self.pack(Direction::ToClient, &splitter.complete()).0 {
                let _ = to_client.send(parcel);
            }
        });
    }

    /// Counts messages that arrived in one piece, before any of them is sent on, and does to them what is armed.
    fn pack(&self, direction: Direction, messages: &[Raw]) -> (Vec<Parcel>, Duration) {
        let mut state = self.shared.state();
        let mut link = self.link();
        let due = Instant::now() + state.half;
        let (mut sent, mut parcel) = (Vec::new(), Parcel::new(due));
        for raw in messages {
            if link.is_dead {
                break;
            }
            if direction == Direction::ToServer {
                state.flights += usize::from(link.conversation.client_sent(raw));
                if state.is_recording {
                    state.messages.push(raw.message());
                }
            }
            state.traffic.count(direction);
            let effect = state.armed.meet(direction);
            link.is_dead = matches!(effect, Some(Effect::Cut(_) | Effect::Silence));
            match effect {
                None => parcel.add(raw, direction),
                Some(Effect::Cut(cut)) => parcel.end_with(raw, direction, cut),
                Some(Effect::Silence) => {}
                Some(Effect::Delay(delay)) => {
                    sent.push(std::mem::replace(&mut parcel, Parcel::new(due + delay)));
                    parcel.add(raw, direction);
                }
            }
        }
        sent.push(parcel);
        (sent, state.half)
    }

    /// Writes what arrives, when it is due; what is due at once goes out in one piece.
    fn deliver(&self, arriving: &Receiver<Parcel>, stream: &Stream) {
        let mut next = arriving.recv().ok();
        while let Some(mut parcel) = next.take() {
            let wait = parcel.due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            next = arriving.try_recv().ok();
            while let Some(more) = next.take_if(|more| !parcel.cuts && more.due <= Instant::now()) {
                parcel.bytes.extend(more.bytes);
                parcel.turns.extend(more.turns);
                parcel.cuts = more.cuts;
                next = arriving.try_recv().ok();
            }
            // Before the client can react to it.
            parcel.turns.into_iter().for_each(|turn| self.link().conversation.client_gets(turn));
            let written = stream.write_all(&parcel.bytes);
            if parcel.cuts {
                return self.cut();
            }
            if written.is_err() {
                break;
            }
            next = next.or_else(|| arriving.recv().ok());
        }
        stream.shut();
    }

    fn cut(&self) {
        self.client.say_goodbye();
        self.server.shut();
    }
}
