//! The advisory lock that lets one runner at a time work on a history.

use std::fmt;

use dunlin_script::Digest;
use tokio_postgres::SimpleQueryRow;

use crate::ident::literal;
use crate::session::{OWNER, Session};
use crate::wait::Wait;
use crate::wire::{Wire, flag, text, value};
use crate::{Error, HistoryTable};

/// The first half of every lock key of this library: `dunl` in ASCII. The two-key space is apart from the one-key
/// space, and locks of different databases are apart from each other.
const CLASS: i32 = 0x6475_6e6c;

/// The first half of the key that says that a transaction works, where another one keeps the lock.
const WORKING: i32 = CLASS + 1;

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

    /// Tries once, in autocommit: a waiter inside a transaction would deadlock with `CREATE INDEX CONCURRENTLY`. `locked`
    /// is NULL where another run has the lock on this very session, which only a pooler brings about: for the server it
    /// would be the same owner.
    pub(crate) fn attempt(self, run_id: &str) -> String {
        format!(
            "SELECT CASE WHEN pg_catalog.length(pg_catalog.current_setting('{OWNER}', true)) OPERATOR(pg_catalog.>) 0 THEN NULL \
             WHEN pg_catalog.pg_try_advisory_lock({CLASS}, {}) \
             THEN pg_catalog.set_config('{OWNER}', '{run_id}', false) IS NOT NULL ELSE false END AS locked, \
             pg_catalog.pg_backend_pid() AS pid, {OPEN}",
            self.0
        )
    }

    /// Tries once, inside a transaction that stays open when it goes well.
    pub(crate) fn attempt_to_keep(self) -> String {
        format!(
            "SELECT pg_catalog.pg_try_advisory_xact_lock({CLASS}, {}) AS locked, l.pid, l.virtualtransaction \
             FROM pg_catalog.pg_locks AS l WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
             AND l.locktype OPERATOR(pg_catalog.=) 'virtualxid' LIMIT 1",
            self.0
        )
    }

    /// Tries once, in autocommit, whether no other transaction works.
    pub(crate) fn is_idle(self) -> String {
        format!("SELECT pg_catalog.pg_try_advisory_xact_lock({WORKING}, {}) AS idle", self.0)
    }

    pub(crate) fn unlock(self) -> String {
        format!(
            "SELECT pg_catalog.pg_advisory_unlock({CLASS}, {}) AS unlocked, pg_catalog.set_config('{OWNER}', '', false)",
            self.0
        )
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

    /// Whoever blocks the session that works, in rows for [`Blocker`](crate::Blocker). Safe under any `search_path`.
    pub(crate) fn blockers(self, is_pooled: bool) -> String {
        format!(
            "SELECT DISTINCT b.pid, a.application_name, a.client_addr, a.state, pg_catalog.floor(EXTRACT(EPOCH FROM \
             pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start)) AS age \
             FROM {} CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(l.pid)) AS b (pid) \
             LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) b.pid",
            self.held_in(if is_pooled { WORKING } else { CLASS })
        )
    }

    /// How far the index is that the session which has the lock builds. Safe under any `search_path`.
    pub(crate) fn build(self) -> String {
        format!(
            "SELECT p.phase, p.lockers_done, p.lockers_total, p.current_locker_pid, p.blocks_done, p.blocks_total, \
             p.tuples_done, p.tuples_total FROM pg_catalog.pg_stat_progress_create_index AS p \
             JOIN {} ON l.pid OPERATOR(pg_catalog.=) p.pid",
            self.held()
        )
    }

    /// The sessions that hold it, as a table `l` of `pid` and `virtualtransaction`. Safe under any `search_path`.
    fn held(self) -> String {
        self.held_in(CLASS)
    }

    fn held_in(self, class: i32) -> String {
        format!(
            "(SELECT l.pid, l.virtualtransaction FROM pg_catalog.pg_locks AS l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted \
             AND l.objsubid OPERATOR(pg_catalog.=) 2 AND l.classid OPERATOR(pg_catalog.=) {class}::pg_catalog.oid \
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
    pub(crate) fn guard(self, run_id: &str) -> String {
        format!(
            "CASE WHEN pg_catalog.pg_try_advisory_xact_lock({CLASS}, {}) THEN pg_catalog.set_config('{OWNER}', '{run_id}', false) \
             ELSE pg_catalog.set_config('dunlin.guard', '{LOST}', true)::pg_catalog.int4::pg_catalog.text END",
            self.0
        )
    }

    /// An expression that raises unless this transaction is the only one that works, and the keeper's has the lock.
    pub(crate) fn guard_of_keeper(self, pid: i32, transaction: &str) -> String {
        format!(
            "CASE WHEN pg_catalog.pg_try_advisory_xact_lock({WORKING}, {}) AND EXISTS (SELECT FROM {} \
             WHERE l.pid OPERATOR(pg_catalog.=) {pid} AND l.virtualtransaction OPERATOR(pg_catalog.=) {}) THEN NULL \
             ELSE pg_catalog.set_config('dunlin.guard', '{LOST}', true)::pg_catalog.int4 END",
            self.0,
            self.held(),
            literal(transaction),
        )
    }

    /// Frees the lock, and what its session was set to, if this message comes to the backend `pid`; says whether it is
    /// `here`, whether it was `unlocked`, and whether that backend has `held` it before.
    pub(crate) fn free_at(self, pid: i32) -> String {
        format!(
            "SELECT f.here, EXISTS (SELECT FROM {held} WHERE l.pid OPERATOR(pg_catalog.=) {pid}) AS held, \
             CASE WHEN f.here THEN (SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.reset_val, false)) \
              FROM pg_catalog.pg_settings AS s WHERE s.name OPERATOR(pg_catalog.=) ANY ({settings})) END AS settings, \
             CASE WHEN f.here THEN pg_catalog.pg_advisory_unlock({CLASS}, {key}) END AS unlocked \
             FROM (SELECT pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {pid} AS here) AS f",
            held = self.held(),
            settings = Session::all_settings(),
            key = self.0,
        )
    }

    /// Ends the backend `pid` if it has the lock and nobody works on it.
    pub(crate) fn end_idle(self, pid: i32) -> String {
        format!(
            "SELECT pg_catalog.pg_terminate_backend(l.pid) FROM {} JOIN pg_catalog.pg_stat_activity AS a \
             ON a.pid OPERATOR(pg_catalog.=) l.pid WHERE l.pid OPERATOR(pg_catalog.=) {pid} \
             AND a.state OPERATOR(pg_catalog.=) 'idle'",
            self.held()
        )
    }

    /// Whether an error is the guard's.
    pub(crate) fn is_lost(error: &tokio_postgres::Error) -> bool {
        error.as_db_error().is_some_and(|error| error.message().contains(LOST))
    }

    /// A row for each session or prepared transaction that holds it, for [`Holder::of`]. Safe under any `search_path`.
    pub(crate) fn holder(self) -> String {
        self.holder_in(CLASS)
    }

    fn holder_in(self, class: i32) -> String {
        format!(
            "SELECT l.pid, l.virtualtransaction, a.application_name, a.client_addr, pg_catalog.left( \
             pg_catalog.regexp_replace(a.query, '[''\"$0-9].*', '...'), 80) AS query, \
             pg_catalog.floor(EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.backend_start)) AS age \
             FROM {} LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid",
            self.held_in(class)
        )
    }

    /// Polls until the lock is had, `peek` says that there is nothing left to lock for, or the deadline has passed.
    pub(crate) async fn poll(
        self,
        wire: &Wire<'_>,
        run_id: &str,
        peek: &mut Peek<'_>,
        wait: &mut Wait<'_>,
    ) -> Result<Polled, Error> {
        let refused = |error| Error::database(LOCKING, error);
        loop {
            wait.pause().await?;
            // What is looked at travels with the try.
            let both = wire.pipelined([&self.attempt(run_id), peek.question()]).await;
            let [tried, peeked] = both.map_err(refused)?;
            match Tried::of(&tried.map_err(refused)?)? {
                Tried::Locked { pid } => return Ok(Polled::Locked { pid }),
                Tried::Refused => {}
            }
            if peek.is_done(&peeked.unwrap_or_default()) {
                return Ok(Polled::NothingToDo);
            }
            if wait.is_over() {
                return Err(self.not_had(wire, wait).await);
            }
            wait.look(self, wire).await;
        }
    }

    /// The error of a wait that is over: who has the lock.
    pub(crate) async fn not_had(self, wire: &Wire<'_>, wait: &Wait<'_>) -> Error {
        self.not_had_in(CLASS, wire, wait).await
    }

    /// The error of a wait for another transaction that works.
    pub(crate) async fn not_idle(self, wire: &Wire<'_>, wait: &Wait<'_>) -> Error {
        self.not_had_in(WORKING, wire, wait).await
    }

    async fn not_had_in(self, class: i32, wire: &Wire<'_>, wait: &Wait<'_>) -> Error {
        let rows = wire.rows(&self.holder_in(class)).await;
        let holder = rows.ok().and_then(|rows| rows.first().map(Holder::of));
        Error::lock_timeout(wait.deadline(), holder)
    }
}

/// What the lock's own statements are called in errors.
pub(crate) const LOCKING: &str = "the migration lock";

/// What one try for the lock has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// This session has it; `pid` is its backend's.
    Locked { pid: Option<i32> },
    /// Somebody else has it.
    Refused,
}

impl Tried {
    /// Reads the row of [`LockKey::attempt`].
    pub(crate) fn of(rows: &[SimpleQueryRow]) -> Result<Self, Error> {
        match rows.first().map(|row| (text(row, "locked"), row)) {
            Some((Some("t"), row)) => Ok(Self::Locked { pid: value(row, "pid") }),
            Some((None, _)) => {
                Err(Error::pooler("another run has the migration lock on the same server connection", None))
            }
            _ => Ok(Self::Refused),
        }
    }
}

/// What a waiter looks at between two tries: whether another runner has done the work.
pub(crate) struct Peek<'a> {
    /// Whether the second question can be asked: asking for a table that is not there yet would fill the server's log.
    is_there: bool,
    questions: [String; 2],
    done: &'a (dyn Fn(&[SimpleQueryRow]) -> bool + Sync),
}

impl<'a> Peek<'a> {
    /// The answer to the second question is looked at by `done`, once that to the first one is `there`.
    pub(crate) fn new(questions: [String; 2], done: &'a (dyn Fn(&[SimpleQueryRow]) -> bool + Sync)) -> Self {
        Self { is_there: false, questions, done }
    }

    pub(crate) fn question(&self) -> &str {
        let [is_there, what] = &self.questions;
        if self.is_there { what } else { is_there }
    }

    /// Looks at the answer to the [`question`](Self::question).
    pub(crate) fn is_done(&mut self, rows: &[SimpleQueryRow]) -> bool {
        let asked = self.is_there;
        self.is_there |= rows.first().is_some_and(|row| flag(row, "there"));
        asked && (self.done)(rows)
    }
}

/// How polling for the lock has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    Locked {
        pid: Option<i32>,
    },
    /// Another runner has finished the work.
    NothingToDo,
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
    pub(crate) fn of(row: &SimpleQueryRow) -> Self {
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

impl Holder {
    /// Who it is, without what to do about it.
    pub(crate) fn who(&self) -> String {
        let Some(pid) = self.pid else { return "a prepared transaction".to_owned() };
        let application = self.application.as_ref().map(|name| format!(", application `{name}`"));
        let address = self.address.as_deref().unwrap_or("local");
        let age = self.age.map(|age| format!(", connected for {age} s"));
        let query = self.query.as_ref().map(|query| {
            let line: Vec<_> = query.split_whitespace().collect();
            format!(", last statement `{}`", line.join(" "))
        });
        let [application, age, query] = [application, age, query].map(Option::unwrap_or_default);
        format!("pid {pid}{application}, {address}{age}{query}")
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => {
                write!(f, "{}; wait for it, or end it with `SELECT pg_terminate_backend({pid})`", self.who())
            }
            None => {
                write!(f, "it is {}, see pg_prepared_xacts and end it with ROLLBACK PREPARED", self.who())
            }
        }
    }
}
