//! The borders between PostgreSQL's messages, and what they mean for who waits for whom.
//!
//! See "Frontend/Backend Protocol" in PostgreSQL's documentation.

use std::{collections::VecDeque, fmt};

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// A message from the client, as far as tests want to know it.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// The first message of a session.
    Startup,
    /// A request for TLS or GSS encryption. The proxy says no.
    Encryption,
    /// A request to cancel another session's statement.
    Cancel,
    /// A simple query, with its text.
    Query(String),
    /// The first message of an extended query, with the text of the statement.
    Parse(String),
    /// Any other message, by its type byte: `B`ind, `D`escribe, `E`xecute, `C`lose, `S`ync, `d` for copy data...
    Other(char),
}

impl fmt::Debug for Message {
    /// `Query("SELECT 1")`, `Sync`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Query(sql) => return f.debug_tuple("Query").field(sql).finish(),
            Self::Parse(sql) => return f.debug_tuple("Parse").field(sql).finish(),
            Self::Startup => "Startup",
            Self::Encryption => "Encryption",
            Self::Cancel => "Cancel",
            Self::Other('B') => "Bind",
            Self::Other('C') => "Close",
            Self::Other('D') => "Describe",
            Self::Other('E') => "Execute",
            Self::Other('H') => "Flush",
            Self::Other('S') => "Sync",
            Self::Other('X') => "Terminate",
            Self::Other('d') => "CopyData",
            Self::Other('c') => "CopyDone",
            Self::Other('f') => "CopyFail",
            Self::Other('p') => "Password",
            Self::Other(tag) => return f.debug_tuple("Other").field(tag).finish(),
        };
        f.write_str(name)
    }
}

/// Cuts one direction of a connection into messages.
#[derive(Debug)]
pub(crate) struct Splitter {
    buffer: Vec<u8>,
    /// A client's first messages have no type byte.
    has_tags: bool,
}

impl Splitter {
    pub(crate) fn of_client() -> Self {
        Self { buffer: Vec::new(), has_tags: false }
    }

    pub(crate) fn of_server() -> Self {
        Self { buffer: Vec::new(), has_tags: true }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the complete messages out.
    pub(crate) fn complete(&mut self) -> Vec<Raw> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some((raw, length)) =
            self.buffer.get(from..).and_then(|rest| Raw::first(rest, self.has_tags))
        {
            from += length;
            self.has_tags |= raw.code() != Some(SSL_REQUEST) && raw.code() != Some(GSS_REQUEST);
            found.push(raw);
        }
        self.buffer.drain(..from);
        found
    }
}

/// One message, byte for byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    tag: Option<u8>,
    pub(crate) bytes: Vec<u8>,
}

impl Raw {
    fn first(bytes: &[u8], has_tag: bool) -> Option<(Self, usize)> {
        let (tag, rest) = if has_tag {
            let (tag, rest) = bytes.split_first()?;
            (Some(*tag), rest)
        } else {
            (None, bytes)
        };
        // The length counts itself, but not the tag.
        let length =
            usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?.max(4) + usize::from(has_tag);
        Some((Self { tag, bytes: bytes.get(..length)?.to_vec() }, length))
    }

    fn body(&self) -> &[u8] {
        self.bytes.get(4 + usize::from(self.tag.is_some())..).unwrap_or_default()
    }

    /// What a message without a tag is: a version of the protocol, or a request.
    fn code(&self) -> Option<u32> {
        self.tag.is_none().then(|| self.body().first_chunk().map(|code| u32::from_be_bytes(*code)))?
    }

    pub(crate) fn asks_for_encryption(&self) -> bool {
        matches!(self.code(), Some(SSL_REQUEST | GSS_REQUEST))
    }

    pub(crate) fn message(&self) -> Message {
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
        };
        match self.tag {
            None if self.asks_for_encryption() => Message::Encryption,
            None if self.code() == Some(CANCEL_REQUEST) => Message::Cancel,
            None => Message::Startup,
            Some(b'Q') => Message::Query(text(self.body())),
            Some(b'P') => {
                let after_name = self.body().splitn(2, |byte| *byte == 0).nth(1);
                Message::Parse(text(after_name.unwrap_or_default()))
            }
            Some(tag) => Message::Other(char::from(tag)),
        }
    }

    /// What the client may be waiting for, if this is from the server.
    pub(crate) fn turn(&self) -> Option<Turn> {
        match self.tag? {
            b'Z' => Some(Turn::Ready),
            b'E' => Some(Turn::Error),
            b'G' => Some(Turn::CopyIn),
            // 0 is "ok", 12 is SCRAM's last word: neither wants an answer.
            b'R' if !matches!(self.body().first_chunk(), Some([0, 0, 0, 0 | 12])) => {
                Some(Turn::Authentication)
            }
            _ => None,
        }
    }
}

/// A message of the server that hands the turn to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Ready,
    Error,
    CopyIn,
    Authentication,
}

/// Who waits for whom on one connection.
///
/// A *flight* is what a client sends from when nothing is owed to it until the server has answered everything: a
/// message, or a burst of pipelined ones. It costs one round trip.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// What the client sent that the server will answer with `ReadyForQuery`, in order.
    owed: VecDeque<Owed>,
    /// An error was the answer: its `ReadyForQuery` is still to come.
    has_failed: bool,
    in_flight: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Sync,
    Other,
}

impl Conversation {
    /// Notes a message of the client, and returns whether it starts a flight.
    pub(crate) fn client_sent(&mut self, raw: &Raw) -> bool {
        match (raw.tag, raw.code()) {
            // Nobody answers these.
            (Some(b'X'), _) | (None, Some(CANCEL_REQUEST)) => return false,
            // The proxy answers this one, at once.
            (None, Some(SSL_REQUEST | GSS_REQUEST)) => return true,
            (Some(b'S'), _) => self.owed.push_back(Owed::Sync),
            (None | Some(b'Q' | b'F'), _) => self.owed.push_back(Owed::Other),
            _ => {}
        }
        !std::mem::replace(&mut self.in_flight, true)
    }

    /// Notes a message that reaches the client.
    pub(crate) fn client_gets(&mut self, turn: Turn) {
        match turn {
            Turn::Ready if self.has_failed => self.has_failed = false,
            Turn::Ready => {
                self.owed.pop_front();
                self.in_flight = !self.owed.is_empty();
            }
            // The server sends errors at once and `ReadyForQuery` a moment later; clients don't wait for the second.
            Turn::Error => {
                if self.owed.pop_front().is_some() {
                    self.has_failed = true;
                    self.in_flight = !self.owed.is_empty();
                }
            }
            Turn::CopyIn => {
                // "Sync messages received during copy-in mode are ignored": the one behind the Execute, that is.
                if self.owed.front() == Some(&Owed::Sync) {
                    self.owed.pop_front();
                }
                self.in_flight = false;
            }
            Turn::Authentication => self.in_flight = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    fn untagged(code: u32) -> Vec<u8> {
        [8_u32.to_be_bytes(), code.to_be_bytes()].concat()
    }

    fn split(bytes: &[u8]) -> Vec<Raw> {
        let mut splitter = Splitter::of_client();
        splitter.push(bytes);
        splitter.complete()
    }

    fn session() -> Vec<u8> {
        [
            untagged(SSL_REQUEST),
            untagged(196_608),
            tagged(b'Q', b"SELECT 1\0"),
            tagged(b'P', b"name\0SELECT 2\0\0\0"),
            tagged(b'S', b""),
        ]
        .concat()
    }

    #[test]
    fn messages_are_found_wherever_the_stream_is_cut() {
        let whole = split(&session());
        let read: Vec<_> = whole.iter().map(Raw::message).collect();
        assert_eq!(
            format!("{read:?}"),
            r#"[Encryption, Startup, Query("SELECT 1"), Parse("SELECT 2"), Sync]"#
        );

        let mut splitter = Splitter::of_client();
        let mut bytewise = Vec::new();
        for byte in session() {
            splitter.push(&[byte]);
            bytewise.extend(splitter.complete());
        }
        assert_eq!(bytewise, whole);
        assert_eq!(whole.iter().flat_map(|raw| raw.bytes.clone()).collect::<Vec<_>>(), session());
    }

    #[test]
    fn a_flight_lasts_until_everything_is_answered() {
        let messages = [tagged(b'Q', b"1\0"), tagged(b'P', b"name\x002\0\0\0"), tagged(b'S', b"")].concat();
        let mut splitter = Splitter::of_server();
        splitter.push(&messages);
        let [query, parse, sync] = <[Raw; 3]>::try_from(splitter.complete()).unwrap();
        let mut conversation = Conversation::default();

        assert!(conversation.client_sent(&query));
        assert!(!conversation.client_sent(&parse), "pipelined");
        assert!(!conversation.client_sent(&sync));
        conversation.client_gets(Turn::Ready);
        assert!(!conversation.client_sent(&query), "the sync is not answered yet");
        conversation.client_gets(Turn::Ready);
        conversation.client_gets(Turn::Ready);
        assert!(conversation.client_sent(&parse), "everything is answered");
    }

    #[test]
    fn an_error_is_an_answer() {
        let mut splitter = Splitter::of_server();
        splitter.push(&tagged(b'Q', b"1\0"));
        let query = splitter.complete().pop().unwrap();
        let mut conversation = Conversation::default();

        assert!(conversation.client_sent(&query));
        conversation.client_gets(Turn::Error);
        assert!(conversation.client_sent(&query), "sent because of the answer");
        conversation.client_gets(Turn::Ready);
        assert!(!conversation.client_sent(&query), "the second is not answered: that was the first's");
    }
}
