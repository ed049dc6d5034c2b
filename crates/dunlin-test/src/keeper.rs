use std::{future::Future, io, thread};

use tokio::{
    runtime::{self, Handle},
    sync::oneshot,
};
use tokio_postgres::{Client, Config};

use crate::{
    error::{Error, Fault},
    session,
};

/// A thread with a runtime of its own, for connections and for work that outlive the runtime of a test.
///
/// Ends in the background when dropped, and what runs on it ends there.
#[derive(Debug)]
pub(crate) struct Keeper {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Keeper {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("dunlin-test".to_owned()).spawn(move || {
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { handle, _end: end })
    }

    /// Runs the future to its end, whatever becomes of the caller.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.handle.spawn(work).await.map_err(|_| Fault::Lost)?
    }

    /// Lets the future run.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Connects; the connection lives on this thread.
    pub(crate) async fn connect(&self, config: &Config, to: &str) -> Result<Client, Error> {
        let (config, to) = (config.clone(), to.to_owned());
        self.run(async move {
            session::connect(&config).await.map_err(|source| Fault::Connect { to, source }.into())
        })
        .await
    }
}
