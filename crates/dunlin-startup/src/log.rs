use std::collections::VecDeque;
use std::time::SystemTime;

use dunlin_core::{Direction, LogEntry, MigrationId, Progress};

use crate::Event;

/// How many events of this process are kept.
const MOST: usize = 200;

/// What has happened.
#[derive(Debug, Default)]
pub(crate) struct Log {
    here: VecDeque<Event>,
    /// What the database's event log said when it was last read.
    there: Vec<Event>,
}

impl Log {
    /// Something has happened in this process.
    pub(crate) fn add(&mut self, what: &str, migration: Option<&MigrationId>, detail: Option<String>) {
        if let Some(last) = self.here.back_mut()
            && last.what == what
            && last.migration.as_ref() == migration
            && matches!(what, "waiting" | "retrying" | "reconnecting")
        {
            // One wait is one line.
            (last.at, last.detail) = (SystemTime::now(), detail);
            return;
        }
        if self.here.len() >= MOST {
            self.here.pop_front();
        }
        let mut event = Event::new(SystemTime::now(), what);
        (event.migration, event.detail) = (migration.cloned(), detail);
        self.here.push_back(event);
    }

    /// What is worth a line of what a run tells.
    pub(crate) fn note(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::WaitingForLock { holder, .. } => {
                self.add(
                    "waiting",
                    None,
                    holder.map(|holder| format!("the migration lock is held by {holder}")),
                );
            }
            Progress::Planned { plan, .. } => {
                let steps = plan.steps().len();
                let detail = format!("{steps} {}", if steps == 1 { "migration" } else { "migrations" });
                self.add("planned", None, Some(detail));
            }
            Progress::Gated { id, backfill, .. } => {
                self.add("gated", Some(id), Some(format!("it requires the backfill {backfill}")));
            }
            Progress::Finished { id, direction: Direction::Up, .. } => self.add("applied", Some(id), None),
            Progress::Finished { id, direction: Direction::Down, .. } => self.add("reverted", Some(id), None),
            Progress::Reconnecting { .. } => self.add("reconnecting", None, None),
            Progress::Retrying { id, code, blockers, .. } => {
                let by: Vec<_> = blockers.iter().map(ToString::to_string).collect();
                let by =
                    if by.is_empty() { String::new() } else { format!(", blocked by {}", by.join("; ")) };
                self.add("retrying", Some(id), Some(format!("SQLSTATE {code}{by}")));
            }
            _ => {}
        }
    }

    /// What the database's event log says.
    pub(crate) fn read(&mut self, entries: &[LogEntry]) {
        self.there = entries
            .iter()
            .map(|entry| {
                let mut event = Event::new(entry.at(), entry.event());
                event.migration = Some(entry.id().clone());
                let statement = entry.statement().map(|number| format!("statement {number}"));
                let code = entry.code().map(|code| format!("SQLSTATE {code}"));
                let detail: Vec<_> = [statement, code].into_iter().flatten().collect();
                event.detail = (!detail.is_empty()).then(|| detail.join(", "));
                event.application = entry.application().map(str::to_owned);
                event
            })
            .collect();
    }

    /// All of it, oldest first. What both know is told as the database has it.
    pub(crate) fn events(&self) -> Vec<Event> {
        let is_there = |event: &Event| {
            let of = |other: &&Event| (&other.what, &other.migration) == (&event.what, &event.migration);
            event.migration.is_some() && self.there.iter().any(|other| of(&other))
        };
        let here = self.here.iter().filter(|event| !is_there(event));
        let mut events: Vec<_> = here.chain(&self.there).cloned().collect();
        events.sort_by_key(|event| event.at);
        events
    }
}
