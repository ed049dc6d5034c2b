use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use tokio_postgres::{Client, Error, SimpleQueryMessage, SimpleQueryRow};

/// The connection that a run works on: it sends text in the simple protocol, which leaves nothing behind on a pooler's
/// server connection, and counts flights.
///
/// A flight is one wait for the server: a message, or several that are sent without waiting in between.
pub(crate) struct Wire<'a> {
    client: &'a Client,
    began: Instant,
    flights: AtomicU32,
}

impl<'a> Wire<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client, began: Instant::now(), flights: AtomicU32::new(0) }
    }

    pub(crate) fn client(&self) -> &'a Client {
        self.client
    }

    /// How long it has been in use.
    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn flights(&self) -> u32 {
        self.flights.load(Ordering::Relaxed)
    }

    /// Counts a flight that is sent through [`client`](Self::client).
    pub(crate) fn count_flight(&self) {
        self.flights.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends one message and returns its rows. One flight.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        self.count_flight();
        self.uncounted_rows(sql).await
    }

    /// The same, for a message that belongs to a flight which is counted elsewhere.
    pub(crate) async fn uncounted_rows(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        rows(self.client.simple_query_raw(sql).await?).await
    }

    /// Sends several messages, each its own transaction with its own snapshot, and returns the rows of each. One
    /// flight; an error in one does not keep the others from running.
    pub(crate) async fn pipelined<const N: usize>(
        &self,
        messages: [&str; N],
    ) -> Result<[Result<Vec<SimpleQueryRow>, Error>; N], Error> {
        self.count_flight();
        let mut streams = Vec::with_capacity(N);
        for sql in messages {
            streams.push(self.client.simple_query_raw(sql).await?);
        }
        let mut answers = [const { Ok(Vec::new()) }; N];
        for (answer, stream) in answers.iter_mut().zip(streams) {
            *answer = rows(stream).await;
        }
        Ok(answers)
    }
}

async fn rows(stream: tokio_postgres::SimpleQueryStream) -> Result<Vec<SimpleQueryRow>, Error> {
    stream
        .try_filter_map(|message| async {
            Ok(match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
        })
        .try_collect()
        .await
}

/// The text of a column, when the row has it and it is not NULL.
pub(crate) fn text<'r>(row: &'r SimpleQueryRow, column: &str) -> Option<&'r str> {
    row.try_get(column).ok().flatten()
}

/// The value of a column, when the row has it, it is not NULL, and it is one.
pub(crate) fn value<T: std::str::FromStr>(row: &SimpleQueryRow, column: &str) -> Option<T> {
    text(row, column)?.parse().ok()
}

/// The boolean of a column; NULL is false.
pub(crate) fn flag(row: &SimpleQueryRow, column: &str) -> bool {
    text(row, column) == Some("t")
}
