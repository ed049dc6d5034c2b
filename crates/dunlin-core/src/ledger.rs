use std::collections::HashSet;

use crate::checksum::Identity;
use crate::history::{Origin, Record, RecordState};
use crate::history_digest::HistoryDigest;
use crate::history_sql::{Event, HistorySql, NewRecord, RunName};
use crate::set::Member;
use crate::{Direction, MigrationId, MigrationSet, State};

/// The history as it will be: what the next row's place and digest are, and the SQL that writes it.
///
/// It runs ahead of the database by what is under way. After a failure it is read anew.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    rows: Vec<Row>,
    sum: HistoryDigest,
    /// Whether the database may hold a digest.
    announces: bool,
}

#[derive(Clone, Debug)]
struct Row {
    ordinal: i64,
    version: i64,
    identity: Identity,
    state: RecordState,
    statements_done: usize,
}

impl Row {
    fn is_finished(&self) -> bool {
        self.state == RecordState::Applied
    }
}

impl Ledger {
    pub(crate) fn new(records: &[Record]) -> Self {
        let rows = records
            .iter()
            .map(|record| Row {
                ordinal: record.ordinal,
                version: record.version(),
                identity: record.identity,
                state: record.state,
                statements_done: record.statements_done,
            })
            .collect();
        let sum = records.iter().map(|record| (record.version(), record.identity)).collect();
        Self { rows, sum, announces: true }
    }

    /// How a history that holds these rows stands against a set.
    pub(crate) fn state(&self, set: &MigrationSet) -> State {
        let finished: HashSet<i64> =
            self.rows.iter().filter(|row| row.is_finished()).map(|row| row.version).collect();
        let newest = set.members().last().map_or(i64::MIN, Member::version);
        if set.members().iter().any(|member| !finished.contains(&member.version())) {
            State::Behind
        } else if self.rows.iter().any(|row| row.version > newest) {
            State::Ahead
        } else {
            State::Current
        }
    }

    /// Writes that a migration is applied.
    pub(crate) fn apply(&mut self, sql: &HistorySql, run: &RunName, member: &Member) -> Vec<String> {
        let row = self.push(member, RecordState::Applied, Origin::Run);
        vec![sql.insert(&row, run), sql.event(&event("applied", member), run)]
    }

    /// Writes that a migration is declared applied, whatever a row says of it.
    pub(crate) fn stamp(&mut self, sql: &HistorySql, run: &RunName, member: &Member) -> Vec<String> {
        self.remove(member.version());
        let row = self.push(member, RecordState::Applied, Origin::Stamp);
        vec![
            sql.delete(member.version(), run),
            sql.insert(&row, run),
            sql.event(&event("stamped", member), run),
        ]
    }

    /// Writes that a migration outside a transaction starts, where no earlier run has.
    pub(crate) fn start(&mut self, sql: &HistorySql, run: &RunName, member: &Member) -> Vec<String> {
        let mut statements = Vec::new();
        if !self.rows.iter().any(|row| row.version == member.version()) {
            let row = self.push(member, RecordState::Running, Origin::Run);
            statements.push(sql.insert(&row, run));
        }
        statements.push(sql.event(&event("started", member), run));
        statements
    }

    /// How many statements of a migration outside a transaction are done in this direction.
    pub(crate) fn progress(&self, version: i64, direction: Direction) -> usize {
        let here = |row: &&Row| match (row.state, direction) {
            (RecordState::Running | RecordState::Failed, Direction::Up) => row.version == version,
            (RecordState::Reverting, Direction::Down) => row.version == version,
            _ => false,
        };
        self.rows.iter().find(here).map_or(0, |row| row.statements_done)
    }

    /// Notes how far a migration outside a transaction has come.
    pub(crate) fn advance(&mut self, version: i64, state: RecordState, statements_done: usize) {
        for row in self.rows.iter_mut().filter(|row| row.version == version) {
            (row.state, row.statements_done) = (state, statements_done);
        }
    }

    /// Writes that a migration outside a transaction has ended.
    pub(crate) fn finish(&mut self, sql: &HistorySql, run: &RunName, member: &Member) -> Vec<String> {
        let version = member.version();
        let mut ordinal = 0;
        for row in self.rows.iter_mut().filter(|row| row.version == version) {
            self.sum.remove(version, row.identity);
            self.sum.add(version, member.identity);
            (row.identity, row.state, ordinal) = (member.identity, RecordState::Applied, row.ordinal);
        }
        let row = new_record(member, ordinal, RecordState::Applied, Origin::Run);
        vec![sql.finish(&row, run), sql.event(&event("applied", member), run)]
    }

    /// Writes that a migration is reverted.
    pub(crate) fn revert(&mut self, sql: &HistorySql, run: &RunName, member: &Member) -> Vec<String> {
        self.remove(member.version());
        vec![sql.delete(member.version(), run), sql.event(&event("reverted", member), run)]
    }

    /// Writes that a migration is declared not applied.
    pub(crate) fn unstamp(&mut self, sql: &HistorySql, run: &RunName, id: &MigrationId) -> Vec<String> {
        let event = Event { kind: "unstamped", id, code: None, statement: None, detail: None };
        self.remove(id.version());
        vec![sql.delete(id.version(), run), sql.event(&event, run)]
    }

    fn remove(&mut self, version: i64) {
        let sum = &mut self.sum;
        self.rows.retain(|row| {
            let stays = row.version != version;
            if !stays {
                sum.remove(version, row.identity);
            }
            stays
        });
    }

    fn push<'m>(&mut self, member: &'m Member, state: RecordState, origin: Origin) -> NewRecord<'m> {
        let ordinal = self.rows.last().map_or(1, |row| row.ordinal.saturating_add(1));
        let (version, identity) = (member.version(), member.identity);
        self.sum.add(version, identity);
        self.rows.push(Row { ordinal, version, identity, state, statements_done: 0 });
        new_record(member, ordinal, state, origin)
    }

    /// Writes what the history holds now, in one digest; none while a migration is unfinished, so that no boot takes it
    /// for done.
    pub(crate) fn announce(&mut self, sql: &HistorySql) -> String {
        self.announces = self.rows.iter().all(Row::is_finished);
        match self.announces {
            true => sql.set_head(&self.sum.to_string(), self.rows.last().map(|row| row.version)),
            false => sql.set_head("", None),
        }
    }

    /// Takes the digest away, where there is one that is not true any more.
    pub(crate) fn unannounce(&mut self, sql: &HistorySql) -> Option<String> {
        std::mem::take(&mut self.announces).then(|| sql.set_head("", None))
    }
}

fn event<'m>(kind: &'static str, member: &'m Member) -> Event<'m> {
    Event { kind, id: member.id(), code: None, statement: None, detail: None }
}

fn new_record(member: &Member, ordinal: i64, state: RecordState, origin: Origin) -> NewRecord<'_> {
    NewRecord {
        ordinal,
        id: member.id(),
        state,
        checksum: member.identity.to_string(),
        raw: member.migration.checksum().raw().map(|raw| raw.to_string()),
        origin,
    }
}
