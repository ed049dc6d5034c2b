use tokio::sync::oneshot;

use crate::{
    copies::Copies,
    error::{Error, Fault},
    stock::Ready,
};

/// A place among those who wait for a database.
///
/// Who leaves gives it back if it has come already: what was sent and never read would be nobody's until the process ends.
#[derive(Debug)]
pub(crate) struct Turn {
    copies: Copies,
    answer: oneshot::Receiver<Result<Ready, Error>>,
    ready: Option<Ready>,
}

impl Turn {
    pub(crate) fn new(copies: &Copies, answer: oneshot::Receiver<Result<Ready, Error>>) -> Self {
        Self { copies: copies.clone(), answer, ready: None }
    }

    /// Waits until the database is there.
    pub(crate) async fn comes(&mut self) -> Result<(), Error> {
        self.ready = Some((&mut self.answer).await.map_err(|_| Fault::Lost)??);
        Ok(())
    }

    /// Takes the database that has come.
    pub(crate) fn take(mut self) -> Option<Ready> {
        self.ready.take()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.answer.close();
        let sent = || self.answer.try_recv().ok()?.ok();
        if let Some(ready) = self.ready.take().or_else(sent) {
            self.copies.put_back(ready);
        }
    }
}
