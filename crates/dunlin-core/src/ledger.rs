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
}

#[derive(Clone, Debug)]
struct Row {
    ordinal: i64,
    version: i64,
    identity: Identity,
    state: RecordState,
    statements_done: usize,
    digest: String,
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
                digest: record.digest.clone(),
            })
            .collect();
        let sum = records.iter().map(|record| (record.version(), record.identity)).collect();
        Self { rows, sum }
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

    /// Writes that a migration is declared applied.
    pub(crate) fn stamp(&mut self, sql: &HistorySql, run: &RunName, member: &Member) -> Vec<String> {
        let row = self.push(member, RecordState::Applied, Origin::Stamp);
        vec![sql.insert(&row, run), sql.event(&event("stamped", member), run)]
    }

    /// Writes that a migration outside a transaction starts, where no earlier run has.
    pub(crate) fn start(&mut self, sql: &HistorySql, run: &RunName, member: &Member) -> Vec<String> {
        let mut statements = vec![sql.event(&event("started", member), run)];
        if !self.rows.iter().any(|row| row.version == member.version()) {
            let row = self.push(member, RecordState::Running, Origin::Run);
            statements.insert(0, sql.insert(&row, run));
        }
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
            row.digest.clear();
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
        let digest = self.digest();
        for row in self.rows.iter_mut().filter(|row| row.version == version) {
            row.digest.clone_from(&digest);
        }
        let row = new_record(member, ordinal, RecordState::Applied, Origin::Run, digest);
        let mut statements = vec![sql.finish(&row), sql.event(&event("applied", member), run)];
        statements.extend(self.settle_digest(sql));
        statements
    }

    /// Writes that a migration is reverted.
    pub(crate) fn revert(&mut self, sql: &HistorySql, run: &RunName, member: &Member) -> Vec<String> {
        self.remove(sql, member.version(), sql.event(&event("reverted", member), run))
    }

    /// Writes that a migration is declared not applied.
    pub(crate) fn unstamp(&mut self, sql: &HistorySql, run: &RunName, id: &MigrationId) -> Vec<String> {
        let event = Event { kind: "unstamped", id, code: None, statement: None };
        self.remove(sql, id.version(), sql.event(&event, run))
    }

    fn remove(&mut self, sql: &HistorySql, version: i64, event: String) -> Vec<String> {
        let sum = &mut self.sum;
        self.rows.retain(|row| {
            let stays = row.version != version;
            if !stays {
                sum.remove(version, row.identity);
            }
            stays
        });
        let mut statements = vec![sql.delete(version), event];
        statements.extend(self.settle_digest(sql));
        statements
    }

    fn push<'m>(&mut self, member: &'m Member, state: RecordState, origin: Origin) -> NewRecord<'m> {
        let ordinal = self.rows.last().map_or(1, |row| row.ordinal.saturating_add(1));
        let (version, identity) = (member.version(), member.identity);
        self.sum.add(version, identity);
        self.rows.push(Row { ordinal, version, identity, state, statements_done: 0, digest: String::new() });
        let digest = self.digest();
        if let Some(row) = self.rows.last_mut() {
            row.digest.clone_from(&digest);
        }
        new_record(member, ordinal, state, origin, digest)
    }

    /// What the newest row has to say; nothing while a migration is unfinished, so that no boot takes it for done.
    fn digest(&self) -> String {
        if self.rows.iter().any(|row| !row.is_finished()) {
            return String::new();
        }
        self.sum.to_string()
    }

    /// Corrects the newest row's digest, when it was another row that went or changed.
    fn settle_digest(&mut self, sql: &HistorySql) -> Option<String> {
        let digest = self.digest();
        let newest = self.rows.last_mut().filter(|row| row.digest != digest)?;
        newest.digest.clone_from(&digest);
        Some(sql.set_digest(newest.ordinal, &digest))
    }
}

fn event<'m>(kind: &'static str, member: &'m Member) -> Event<'m> {
    Event { kind, id: member.id(), code: None, statement: None }
}

fn new_record(
    member: &Member,
    ordinal: i64,
    state: RecordState,
    origin: Origin,
    digest: String,
) -> NewRecord<'_> {
    NewRecord {
        ordinal,
        id: member.id(),
        state,
        checksum: member.identity.to_string(),
        raw: member.migration.checksum().raw().map(|raw| raw.to_string()),
        origin,
        digest,
    }
}
