//! What may happen to a message on its way.

use std::{collections::VecDeque, fmt, time::Duration};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The message is not sent on, what came before it is.
    Before,
    /// The first half of the message's bytes is sent on.
    Half,
    /// The message is sent on, nothing after it.
    After,
}

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The connection is closed on both sides. What goes the other way is not sent on either.
    Cut(Cut),
    /// The message is swallowed, with all that comes after it in both directions: a network that went silent. The
    /// connection stays open until one side closes it.
    Silence,
    /// The message arrives so much later, and what follows it does too.
    Delay(Duration),
}

/// One thing that goes wrong, armed with [`Proxy::arm`](crate::Proxy::arm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which way the message goes that it strikes.
    pub direction: Direction,
    /// Which message of this direction it strikes, from 1, over all connections since the fault before it has struck, or
    /// since it was armed. Every message counts: the first of a connection, too, and a request to cancel.
    pub message: usize,
    /// What happens to the message.
    pub effect: Effect,
}

impl Fault {
    /// Cuts the connection at a message.
    pub fn cut(direction: Direction, message: usize, cut: Cut) -> Self {
        Self { direction, message, effect: Effect::Cut(cut) }
    }

    /// Lets a connection go silent at a message.
    pub fn silence(direction: Direction, message: usize) -> Self {
        Self { direction, message, effect: Effect::Silence }
    }

    /// Delays a message.
    pub fn delay(direction: Direction, message: usize, delay: Duration) -> Self {
        Self { direction, message, effect: Effect::Delay(delay) }
    }
}

impl fmt::Display for Fault {
    /// `cut before message 12 to the server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.effect {
            Effect::Cut(Cut::Before) => f.write_str("cut before"),
            Effect::Cut(Cut::Half) => f.write_str("cut in the middle of"),
            Effect::Cut(Cut::After) => f.write_str("cut after"),
            Effect::Silence => f.write_str("silent from"),
            Effect::Delay(delay) => write!(f, "{delay:?} late from"),
        }?;
        let to = match self.direction {
            Direction::ToServer => "server",
            Direction::ToClient => "client",
        };
        write!(f, " message {} to the {to}", self.message)
    }
}

/// How many messages went each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From clients to the server.
    pub to_server: usize,
    /// From the server to clients.
    pub to_client: usize,
}

impl Traffic {
    /// Counts one, and returns how many that makes.
    pub(crate) fn count(&mut self, direction: Direction) -> usize {
        let counter = match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        *counter += 1;
        *counter
    }
}

/// The faults that are still to come, in order.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    faults: VecDeque<Fault>,
    /// Since the last strike.
    passed: Traffic,
    struck: usize,
}

impl Armed {
    pub(crate) fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { faults: faults.into_iter().collect(), ..Self::default() }
    }

    /// Counts a message, and returns what happens to it.
    pub(crate) fn meet(&mut self, direction: Direction) -> Option<Effect> {
        let number = self.passed.count(direction);
        let fault =
            self.faults.pop_front_if(|fault| fault.direction == direction && fault.message == number)?;
        self.passed = Traffic::default();
        self.struck += 1;
        Some(fault.effect)
    }

    /// How many faults have struck.
    pub(crate) fn struck(&self) -> usize {
        self.struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    #[test]
    fn a_fault_is_counted_from_the_one_before_it() {
        let faults = [Fault::cut(ToServer, 2, Cut::Half), Fault::silence(ToClient, 1)];
        let mut armed = Armed::new(faults);
        assert_eq!(armed.meet(ToServer), None);
        assert_eq!(armed.meet(ToClient), None, "not its turn yet");
        assert_eq!(armed.meet(ToServer), Some(Effect::Cut(Cut::Half)));
        assert_eq!(armed.meet(ToServer), None);
        assert_eq!(armed.meet(ToClient), Some(Effect::Silence));
        assert_eq!((armed.meet(ToClient), armed.struck()), (None, 2));
    }
}
