//! A future that is dropped before it has ended.

use std::{
    fmt,
    future::Future,
    pin::pin,
    str::FromStr,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::sync::Notify;

/// How long a future may stay without being woken until it is dropped nevertheless.
const PATIENCE: Duration = Duration::from_millis(100);

/// Drops a future at its n-th poll, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropAt {
    /// At which poll.
    pub poll: usize,
    /// When around it.
    pub moment: Moment,
}

/// When a future is dropped that was polled for the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At once: what it has asked others to do was not begun.
    Polled,
    /// After other tasks have had their turn: what it wanted to send is on its way.
    Sent,
    /// When it would be polled again: the answer is there.
    Woken,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Polled, Self::Sent, Self::Woken];

    fn name(self) -> &'static str {
        match self {
            Self::Polled => "polled",
            Self::Sent => "sent",
            Self::Woken => "woken",
        }
    }
}

impl DropAt {
    /// Polls a future so often and drops it, or returns what it has come to if that was enough.
    pub async fn run<F: Future>(self, future: F) -> Result<F::Output, Dropped> {
        let mut future = pin!(future);
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        for poll in 1..=self.poll {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Ok(output);
            }
            if poll < self.poll {
                alarm.0.notified().await;
            }
        }
        match self.moment {
            Moment::Polled => {}
            Moment::Sent => {
                for _ in 0..4 {
                    tokio::task::yield_now().await;
                }
            }
            Moment::Woken => {
                // Some things end later than anybody would wait.
                let _ = tokio::time::timeout(PATIENCE, alarm.0.notified()).await;
            }
        }
        Err(Dropped)
    }

    /// Polls a future until it ends, and returns how often that was.
    pub async fn count<F: Future>(future: F) -> (usize, F::Output) {
        let mut future = pin!(future);
        let mut polls = 0;
        let counted = std::future::poll_fn(|cx| {
            polls += 1;
            future.as_mut().poll(cx)
        });
        let output = counted.await;
        (polls, output)
    }
}

impl fmt::Display for DropAt {
    /// `poll 12, sent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "poll {}, {}", self.poll, self.moment.name())
    }
}

impl FromStr for DropAt {
    type Err = String;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (poll, moment) = text.strip_prefix("poll ")?.split_once(", ")?;
            let moment = Moment::ALL.into_iter().find(|known| known.name() == moment)?;
            Some(Self { poll: poll.parse().ok()?, moment })
        };
        read().ok_or_else(|| format!("`{text}` is not like `poll 12, sent`"))
    }
}

/// The future was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

#[derive(Debug, Default)]
struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_future_is_polled_so_often_and_then_dropped() {
        for moment in Moment::ALL {
            for poll in 1..=5 {
                let polled = Cell::new(1);
                let three_polls = async {
                    for _ in 0..2 {
                        tokio::task::yield_now().await;
                        polled.set(polled.get() + 1);
                    }
                };
                let place = DropAt { poll, moment };
                assert_eq!(place.to_string().parse(), Ok(place));
                let outcome = place.run(three_polls).await;
                assert_eq!(outcome.is_ok(), poll >= 3, "{poll} {moment:?}");
                assert_eq!(polled.get(), poll.min(3));
            }
        }
        let stuck = DropAt { poll: 1, moment: Moment::Woken }.run(std::future::pending::<()>());
        assert_eq!(stuck.await, Err(Dropped));
    }
}
