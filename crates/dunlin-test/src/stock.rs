use std::collections::{BTreeSet, VecDeque};

use tokio::sync::oneshot;

use crate::error::Error;

/// A database that is ready to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Nobody has been in it.
    New(String),
    /// Somebody has: it must be cleaned, or thrown away if that can't be done.
    Used(String),
}

impl Ready {
    pub(crate) fn name(&self) -> &str {
        let (Self::New(name) | Self::Used(name)) = self;
        name
    }
}

/// Where somebody waits for a database.
pub(crate) type Waiter = oneshot::Sender<Result<Ready, Error>>;

/// The databases of one template that this process has: it holds the lock of each.
///
/// Who waits is served in turn, with whatever comes first: a new database or one that was handed back. Those that are free are
/// taken in the order in which they came, so that the sessions of whoever had it last have gone.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    free: VecDeque<Ready>,
    waiting: VecDeque<Waiter>,
    /// All that this process has, taken or free.
    ours: BTreeSet<String>,
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

    /// Notes that one is being made.
    pub(crate) fn begin(&mut self) {
        self.making += 1;
    }

    /// Notes that it was made, or was not.
    pub(crate) fn end(&mut self) {
        self.making = self.making.saturating_sub(1);
    }

    pub(crate) fn own(&mut self, name: &str) {
        self.ours.insert(name.to_owned());
    }

    pub(crate) fn disown(&mut self, name: &str) {
        self.ours.remove(name);
    }

    pub(crate) fn ours(&self) -> Vec<String> {
        self.ours.iter().cloned().collect()
    }

    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// How many are free or will be.
    pub(crate) fn ahead(&self) -> usize {
        self.free.len() + self.making.saturating_sub(self.waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str) -> Ready {
        Ready::New(name.to_owned())
    }

    #[test]
    fn who_waits_is_served_in_turn_and_who_has_left_is_passed_over() {
        let mut stock = Stock::default();
        let (mut first, gone, mut second) = (stock.wait(), stock.wait(), stock.wait());
        drop(gone);

        stock.give(new("a"));
        stock.give(new("b"));
        stock.give(new("c"));

        assert_eq!(first.try_recv().unwrap().unwrap(), new("a"));
        assert_eq!(second.try_recv().unwrap().unwrap(), new("b"));
        assert_eq!(stock.take(), Some(new("c")));
        assert_eq!(stock.take(), None);
    }

    #[test]
    fn what_was_free_longest_is_taken_first() {
        let mut stock = Stock::default();
        stock.give(new("a"));
        stock.give(Ready::Used("b".to_owned()));

        assert_eq!((stock.free(), stock.ahead()), (2, 2));
        assert_eq!(stock.take(), Some(new("a")));
        stock.give(new("a"));
        assert_eq!(stock.take().unwrap().name(), "b");
    }

    #[test]
    fn what_is_made_for_those_who_wait_is_not_ahead() {
        let mut stock = Stock::default();
        let _waiting = stock.wait();
        stock.begin();
        assert_eq!(stock.ahead(), 0);
        stock.begin();
        assert_eq!(stock.ahead(), 1);
        stock.end();
        assert_eq!(stock.ahead(), 0);
    }
}
