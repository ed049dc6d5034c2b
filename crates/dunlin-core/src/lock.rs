//! The advisory lock that lets one runner at a time work on a history.

use std::fmt;
use std::time::{Duration, Instant};

use dunlin_script::Digest;
use tokio_postgres::SimpleQueryRow;

use crate::jitter::Jitter;
use crate::session::Session;
use crate::wire::{Wire, flag, text, value};
use crate::{Error, HistoryTable};

/// The first half of every lock key of this library: `dunl` in ASCII. The two-key space is apart from the one-key
/// space, and locks of different databases are apart from each other.
const CLASS: i32 = 0x6475_6e6c;

/// Whether the session was inside a transaction before this message: only then do the two times differ.
pub(crate) const OPEN: &str =
    "pg_catalog.transaction_timestamp() OPERATOR(pg_catalog.<>) pg_catalog.statement_timestamp() AS open";

/// What the guard of a transaction raises when the lock is not held.
const LOST: &str = "dunlin: the migration lock is not held";

/// Which lock belongs to a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockKey(i32);

impl LockKey {
    pub(crate) fn of(history: &HistoryTable) -> Self {
        let digest = Digest::of(history.to_string().as_bytes());
        let [a, b, c, d, ..] = *digest.as_bytes();
        Self(i32::from_be_bytes([a, b, c, d]))
    }

    /// Tries once, in autocommit: a waiter inside a transaction would deadlock with `CREATE INDEX CONCURRENTLY`.
    pub(crate) fn attempt(self) -> String {
        format!("SELECT pg_catalog.pg_try_advisory_lock({CLASS}, {}) AS locked, {OPEN}", self.0)
    }

    pub(crate) fn unlock(self) -> String {
        format!("SELECT pg_catalog.pg_advisory_unlock({CLASS}, {}) AS unlocked", self.0)
    }

    /// Ends whatever a session is in the midst of: its transaction, what it was set to, the lock if it has it.
    pub(crate) fn leave(self) -> String {
        format!(
            "ROLLBACK; {}; {} FROM {} WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()",
            Session::give_back().join("; "),
            self.unlock(),
            self.held(),
        )
    }

    /// The sessions that hold it, as a table `l` of `pid`. Safe under any `search_path`.
    fn held(self) -> String {
        format!(
            "(SELECT l.pid FROM pg_catalog.pg_locks AS l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted \
             AND l.objsubid OPERATOR(pg_catalog.=) 2 AND l.classid OPERATOR(pg_catalog.=) {CLASS}::pg_catalog.oid \
             AND l.objid OPERATOR(pg_catalog.=) {}::pg_catalog.oid AND l.database OPERATOR(pg_catalog.=) \
             (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())) AS l",
            u32::from_ne_bytes(self.0.to_ne_bytes())
        )
    }

    /// Reads the row of [`unlock`](Self::unlock): whether the lock was held until then.
    pub(crate) fn is_unlocked(row: &SimpleQueryRow) -> bool {
        flag(row, "unlocked")
    }

    /// An expression that raises unless this session holds the lock. Re-entrant for the owner.
    ///
    /// The failing branch is a cast that can't be folded while planning. It costs less than a `DO` block, which is
    /// compiled anew for every transaction.
    pub(crate) fn guard(self) -> String {
        format!(
            "CASE WHEN pg_catalog.pg_try_advisory_xact_lock({CLASS}, {}) THEN NULL \
             ELSE pg_catalog.set_config('dunlin.guard', '{LOST}', true)::pg_catalog.int4 END",
            self.0
        )
    }

    /// Whether an error is the guard's.
    pub(crate) fn is_lost(error: &tokio_postgres::Error) -> bool {
        error.as_db_error().is_some_and(|error| error.message().contains(LOST))
    }

    fn holder(self) -> String {
        format!(
            "SELECT l.pid, a.application_name, a.client_addr, pg_catalog.left(a.query, 80) AS query, \
             pg_catalog.floor(EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - a.backend_start)) AS age \
             FROM {} LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid",
            self.held()
        )
    }

    /// Polls until the lock is had, `done` says that there is nothing left to lock for, or the deadline has passed.
    ///
    /// `peek` travels with each try: its first query says whether the second can be asked, and `done` looks at the rows
    /// of that one. Asking for a table that is not there yet would fill the server's log.
    pub(crate) async fn poll(
        self,
        wire: &Wire<'_>,
        peek: &[String; 2],
        done: impl Fn(&[SimpleQueryRow]) -> bool,
        wait: &mut Wait<'_>,
    ) -> Result<Polled, Error> {
        let refused = |error| Error::database("the migration lock", error);
        let [is_there, what] = peek;
        let mut there = false;
        loop {
            wait.pause(Jitter::polling(wait.waited())).await;
            let peek = if there { what } else { is_there };
            let [locked, peeked] = wire.pipelined([&self.attempt(), peek]).await.map_err(refused)?;
            if locked.map_err(refused)?.first().is_some_and(|row| flag(row, "locked")) {
                return Ok(Polled::Locked);
            }
            let peeked = peeked.unwrap_or_default();
            if there && done(&peeked) {
                return Ok(Polled::NothingToDo);
            }
            there = there || peeked.first().is_some_and(|row| flag(row, "there"));
            if wait.is_over() {
                let rows = wire.rows(&self.holder()).await;
                let holder = rows.ok().and_then(|rows| rows.first().map(Holder::of));
                return Err(Error::lock_timeout(wait.deadline, holder));
            }
        }
    }
}

/// How polling for the lock has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    Locked,
    /// Another runner has finished the work.
    NothingToDo,
}

/// A wait that has a deadline and tells somebody about itself.
pub(crate) struct Wait<'a> {
    began: Instant,
    deadline: Duration,
    told: &'a (dyn Fn(Duration) + Sync),
}

impl<'a> Wait<'a> {
    pub(crate) fn new(deadline: Duration, told: &'a (dyn Fn(Duration) + Sync)) -> Self {
        Self { began: Instant::now(), deadline, told }
    }

    pub(crate) fn waited(&self) -> Duration {
        self.began.elapsed()
    }

    fn is_over(&self) -> bool {
        self.waited() >= self.deadline
    }

    async fn pause(&mut self, pause: Duration) {
        (self.told)(self.waited());
        tokio::time::sleep(pause.min(self.deadline.saturating_sub(self.waited()))).await;
    }
}

/// Who holds the lock.
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) pid: Option<i32>,
    pub(crate) application: Option<String>,
    pub(crate) address: Option<String>,
    /// In seconds.
    pub(crate) age: Option<u64>,
    pub(crate) query: Option<String>,
}

impl Holder {
    fn of(row: &SimpleQueryRow) -> Self {
        let text = |column| text(row, column).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            pid: value(row, "pid"),
            application: text("application_name"),
            address: text("client_addr"),
            age: value(row, "age"),
            query: text("query"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pid) = self.pid else {
            return f.write_str(
                "it is a prepared transaction, see pg_prepared_xacts and end it with ROLLBACK PREPARED",
            );
        };
        write!(f, "pid {pid}")?;
        if let Some(application) = &self.application {
            write!(f, ", application `{application}`")?;
        }
        write!(f, ", {}", self.address.as_deref().unwrap_or("local"))?;
        if let Some(age) = self.age {
            write!(f, ", connected for {age} s")?;
        }
        if let Some(query) = &self.query {
            let line: Vec<_> = query.split_whitespace().collect();
            write!(f, ", last statement `{}`", line.join(" "))?;
        }
        write!(f, "; wait for it, or end it with `SELECT pg_terminate_backend({pid})`")
    }
}
