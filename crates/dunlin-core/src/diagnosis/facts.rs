use std::fmt;
use std::time::Duration;

use super::replication::published;
use super::{
    Answer, DiagnosisFinding, HistoryFacts, InvalidIndex, LockHolder, OpenTransactions, PathSchema,
    PendingDetach, PoolerVerdict, PreparedTransaction, RoleFacts, ServerFacts, ServerSetting, Subscription,
};
use crate::{HistoryTable, Ident, Pooler};

/// What a run is told, which facts are judged by.
pub(crate) struct Expected<'a> {
    pub(crate) history: &'a HistoryTable,
    /// How long a run waits for the lock.
    pub(crate) deadline: Duration,
    pub(crate) role: Option<&'a Ident>,
    pub(crate) pooler: Pooler,
    pub(crate) has_direct: bool,
}

/// Everything that was found out.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub(crate) struct Facts {
    pub(crate) server: Answer<ServerFacts>,
    pub(crate) pooler: PoolerVerdict,
    pub(crate) role: Answer<RoleFacts>,
    pub(crate) search_path: Answer<Vec<PathSchema>>,
    pub(crate) settings: Answer<Vec<ServerSetting>>,
    pub(crate) history: HistoryFacts,
    pub(crate) lock: Answer<Option<LockHolder>>,
    pub(crate) prepared: Answer<Vec<PreparedTransaction>>,
    pub(crate) indexes: Answer<Vec<InvalidIndex>>,
    pub(crate) detaches: Answer<Vec<PendingDetach>>,
    pub(crate) publications: Answer<Vec<String>>,
    pub(crate) subscriptions: Answer<Vec<Subscription>>,
    pub(crate) transactions: Answer<OpenTransactions>,
}

impl Facts {
    /// How many questions have no answer. The pooler's needs what the caller may not have.
    pub(super) fn not_known(&self) -> usize {
        fn one<T>(answer: &Answer<T>) -> bool {
            answer.known().is_none()
        }
        let answers = [
            one(&self.server),
            one(&self.role),
            one(&self.search_path),
            one(&self.settings),
            one(self.history.presence()) || one(self.history.standing()),
            one(&self.lock),
            one(&self.prepared),
            one(&self.indexes),
            one(&self.detaches),
            one(&self.publications),
            one(&self.subscriptions),
            one(&self.transactions),
        ];
        answers.into_iter().filter(|not_known| *not_known).count()
    }

    /// What follows from them.
    pub(super) fn findings(&self, expected: &Expected<'_>) -> Vec<DiagnosisFinding> {
        let Expected { history, deadline, .. } = *expected;
        let mut findings = Vec::new();
        if let Some(server) = self.server.known() {
            findings.extend(server.findings(self.history.has_work()));
        }
        findings.extend(self.pooler.finding(expected.pooler, expected.has_direct));
        match (&self.role, expected.role) {
            (Answer::Known(role), _) => findings.extend(role.findings(history)),
            (Answer::NotKnown(why), Some(owner)) => findings.push(RoleFacts::not_to_be_had(owner, why)),
            (Answer::NotKnown(_), None) => {}
        }
        if let Some(path) = self.search_path.known() {
            findings.extend(PathSchema::findings(path));
        }
        findings.extend(self.history.findings());
        findings.extend(self.lock.known().and_then(|lock| lock.as_ref()?.finding(deadline)));
        findings.extend(self.prepared.listed().iter().map(PreparedTransaction::finding));
        let is_half_applied = self.history.is_half_applied();
        findings.extend(self.indexes.listed().iter().map(|index| index.finding(is_half_applied)));
        findings.extend(self.detaches.listed().iter().map(PendingDetach::finding));
        findings.extend(self.publications.listed().iter().map(|name| published(name, history)));
        findings.extend(self.subscriptions.listed().iter().map(|subscription| subscription.finding(history)));
        if let Some(transactions) = self.transactions.known() {
            findings.extend(transactions.findings());
        }
        if let Some(settings) = self.settings.known() {
            findings.extend(ServerSetting::findings(settings));
        }
        findings
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: &str| write!(f, "\n  {name:<13}  {text}");
        line("server", &said(&self.server, ServerFacts::to_string))?;
        line("pooler", &self.pooler.to_string())?;
        line("role", &said(&self.role, RoleFacts::to_string))?;
        line("search path", &said(&self.search_path, |path| joined(path)))?;
        line("history", &self.history.to_string())?;
        line(
            "lock",
            &said(&self.lock, |holder| match holder {
                Some(holder) => format!("held by {}", holder.short()),
                None => "free".to_owned(),
            }),
        )?;
        line("transactions", &said(&self.transactions, OpenTransactions::to_string))?;
        line("prepared", &said(&self.prepared, |prepared| number(prepared)))?;
        line("indexes", &said(&self.indexes, |indexes| all_well(indexes, "valid", "invalid")))?;
        line(
            "partitions",
            &said(&self.detaches, |detaches| all_well(detaches, "attached", "half detached")),
        )?;
        line("publications", &said(&self.publications, |names| joined(names)))?;
        let names = |subscriptions: &Vec<Subscription>| {
            joined(&subscriptions.iter().map(Subscription::name).collect::<Vec<_>>())
        };
        line("subscriptions", &said(&self.subscriptions, names))?;
        match &self.settings {
            Answer::Known(settings) => {
                let set = settings.iter().filter(|setting| !setting.is_default());
                for (setting, name) in set.zip(std::iter::once("settings").chain(std::iter::repeat(""))) {
                    line(name, &setting.to_string())?;
                }
                Ok(())
            }
            Answer::NotKnown(why) => line("settings", &format!("not known: {why}")),
        }
    }
}

fn said<T>(answer: &Answer<T>, words: impl FnOnce(&T) -> String) -> String {
    match answer {
        Answer::Known(value) => words(value),
        Answer::NotKnown(why) => format!("not known: {why}"),
    }
}

fn joined(values: &[impl fmt::Display]) -> String {
    match values {
        [] => "none".to_owned(),
        values => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn number<T>(values: &[T]) -> String {
    match values.len() {
        0 => "none".to_owned(),
        many => many.to_string(),
    }
}

fn all_well<T>(ill: &[T], well: &str, badly: &str) -> String {
    match ill.len() {
        0 => format!("all {well}"),
        many => format!("{many} {badly}"),
    }
}
