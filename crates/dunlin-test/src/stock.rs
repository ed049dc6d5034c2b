use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio_postgres::Client;

use crate::error::Error;

/// So many connections to free databases stay open: a server has a limit.
const MOST_OPEN: usize = 8;

/// A database that is equal to its template.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) name: String,
    /// The connection that has cleaned it, if it was used.
    pub(crate) client: Option<Client>,
}

/// Where somebody waits for a database.
pub(crate) type Waiter = oneshot::Sender<Result<Ready, Error>>;

/// The databases of one template that are free, and who waits for one.
///
/// Who waits is served in turn, with whatever comes first: a new database or one that was handed back. Those that are free are
/// taken in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    free: VecDeque<Ready>,
    waiting: VecDeque<Waiter>,
    /// How many are being made or cleaned.
    making: usize,
}

impl Stock {
    pub(crate) fn take(&mut self) -> Option<Ready> {
        self.free.pop_front()
    }

    /// Gives a database to the first who still waits, or lays it up.
    pub(crate) fn give(&mut self, mut ready: Ready) {
        while let Some(waiter) = self.waiting.pop_front() {
            match waiter.send(Ok(ready)) {
                Ok(()) => return,
                Err(Ok(back)) => ready = back,
                Err(Err(_)) => return,
            }
        }
        if self.free.iter().filter(|free| free.client.is_some()).count() >= MOST_OPEN {
            ready.client = None;
        }
        self.free.push_back(ready);
    }

    /// Tells one of those who wait that there is none to be had.
    pub(crate) fn fail(&mut self, mut error: Error) {
        while let Some(waiter) = self.waiting.pop_front() {
            match waiter.send(Err(error)) {
                Ok(()) | Err(Ok(_)) => return,
                Err(Err(back)) => error = back,
            }
        }
    }

    pub(crate) fn wait(&mut self) -> oneshot::Receiver<Result<Ready, Error>> {
        let (waiter, answer) = oneshot::channel();
        self.waiting.push_back(waiter);
        answer
    }

    /// Notes that one is being made or cleaned.
    pub(crate) fn begin(&mut self) {
        self.making += 1;
    }

    /// Notes that this has ended.
    pub(crate) fn end(&mut self) {
        self.making = self.making.saturating_sub(1);
    }

    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// How many more must be made for those who wait.
    pub(crate) fn missing(&self) -> usize {
        self.waiting.len().saturating_sub(self.making)
    }

    /// How many are free or will be.
    pub(crate) fn ahead(&self) -> usize {
        self.free.len() + self.making.saturating_sub(self.waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(name: &str) -> Ready {
        Ready { name: name.to_owned(), client: None }
    }

    fn taken(stock: &mut Stock) -> Option<String> {
        stock.take().map(|ready| ready.name)
    }

    #[test]
    fn who_waits_is_served_in_turn_and_who_has_left_is_passed_over() {
        let mut stock = Stock::default();
        let (mut first, gone, mut second) = (stock.wait(), stock.wait(), stock.wait());
        drop(gone);

        ["a", "b", "c"].map(ready).into_iter().for_each(|ready| stock.give(ready));

        assert_eq!(first.try_recv().unwrap().unwrap().name, "a");
        assert_eq!(second.try_recv().unwrap().unwrap().name, "b");
        assert_eq!(taken(&mut stock).as_deref(), Some("c"));
        assert_eq!(taken(&mut stock), None);
    }

    #[test]
    fn what_was_free_longest_is_taken_first() {
        let mut stock = Stock::default();
        stock.give(ready("a"));
        stock.give(ready("b"));

        assert_eq!((stock.free(), stock.ahead()), (2, 2));
        assert_eq!(taken(&mut stock).as_deref(), Some("a"));
        stock.give(ready("a"));
        assert_eq!(taken(&mut stock).as_deref(), Some("b"));
    }

    #[test]
    fn what_is_made_for_those_who_wait_is_not_ahead() {
        let mut stock = Stock::default();
        let _waiting = stock.wait();
        assert_eq!((stock.missing(), stock.ahead()), (1, 0));
        stock.begin();
        assert_eq!((stock.missing(), stock.ahead()), (0, 0));
        stock.begin();
        assert_eq!((stock.missing(), stock.ahead()), (0, 1));
        stock.end();
        stock.end();
        assert_eq!((stock.missing(), stock.ahead()), (1, 0));
    }
}
