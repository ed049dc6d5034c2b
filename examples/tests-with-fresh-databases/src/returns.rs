use std::future::poll_fn;

use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls};

/// The tools that come back from now on, as the database announces them (`LISTEN`).
///
/// A connection of its own: what a pool lends is somebody else's a moment later.
#[derive(Debug)]
pub struct Returns {
    returned: mpsc::UnboundedReceiver<i64>,
    // The connection ends with it.
    _client: Client,
}

impl Returns {
    /// Connects, and listens when it returns.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn listen(config: &Config) -> Result<Self, Error> {
        let (client, mut connection) = config.connect(NoTls).await?;
        let (send, returned) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message
                    && let Ok(tool) = notification.payload().parse()
                {
                    // Nobody may listen any more; then the connection is about to end as well.
                    let _ = send.send(tool);
                }
            }
        });
        client.batch_execute("LISTEN returned").await?;
        Ok(Self { returned, _client: client })
    }

    /// Waits for the next tool. `None` when the connection is lost.
    ///
    /// # Cancel safety
    ///
    /// A drop loses nothing.
    pub async fn next(&mut self) -> Option<i64> {
        self.returned.recv().await
    }
}
