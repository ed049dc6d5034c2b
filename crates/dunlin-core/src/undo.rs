use std::pin::pin;
use std::task::{Context, Waker};

use tokio_postgres::{Client, NoTls};

/// Takes longer than a request to cancel, and is ended by it.
const ABSORB: &str = "SELECT pg_catalog.pg_sleep(0.2)";

/// Undoes, on a client that lives on, what a future has begun that is dropped.
pub(crate) struct Undo<'a> {
    client: &'a Client,
    /// A message that ends what is begun, whatever that is.
    message: Option<String>,
}

impl<'a> Undo<'a> {
    #[must_use]
    pub(crate) fn on_drop(client: &'a Client, message: String) -> Self {
        Self { client, message: Some(message) }
    }

    /// The future has come to its end.
    pub(crate) fn disarm(mut self) {
        self.message = None;
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let Some(message) = self.message.take() else { return };
        // They queue behind what the future has sent. Twice, as the request to cancel may come late and meet the first; the
        // third meets one that comes later still, which would be the caller's own statement otherwise.
        for message in [message.as_str(), &message, ABSORB] {
            let mut sent = pin!(self.client.simple_query_raw(message));
            // The first poll queues the message; nobody waits for the answer.
            let _ = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let token = self.client.cancel_token();
            runtime.spawn(async move { token.cancel_query(NoTls).await });
        }
    }
}
