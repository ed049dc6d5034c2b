//! The spans of a run, for whoever traces: `dunlin.run`, in it `dunlin.lock` and a `dunlin.migration` for each migration. Their names and
//! fields are a promise, which `docs/observability.md` of the crate `dunlin` makes.

use std::collections::HashMap;

use tracing::Span;
use tracing::field::Empty;

use crate::history_sql::RunName;
use crate::plan::Direction;
use crate::report::Done;
use crate::task::Task;
use crate::{Error, ErrorKind, Migrator, Report};

/// The span of a run.
pub(crate) fn run(migrator: &Migrator, name: &RunName) -> Span {
    tracing::info_span!(
        "dunlin.run",
        run_id = name.id,
        history = %migrator.history,
        application = name.application,
        outcome = Empty,
        applied = Empty,
        reverted = Empty,
        flights = Empty,
        retries = Empty,
        lock_waited_us = Empty,
        otel.status_code = Empty,
    )
}

/// Says how a run has ended.
pub(crate) fn end_run(span: &Span, outcome: &Result<Report, Error>) {
    let report = match outcome {
        Ok(report) => report,
        Err(error) => error.report(),
    };
    span.record("applied", report.applied().count());
    span.record("reverted", report.reverted().count());
    span.record("flights", report.flights());
    span.record("retries", report.retries());
    span.record("lock_waited_us", u64::try_from(report.waited().as_micros()).unwrap_or(u64::MAX));
    match outcome {
        Ok(report) => drop(span.record("outcome", tracing::field::display(report.state()))),
        Err(error) => fail(span, error),
    }
}

fn fail(span: &Span, error: &Error) {
    match error.kind() {
        ErrorKind::Stopped => drop(span.record("outcome", "stopped")),
        _ => drop(span.record("outcome", "failed").record("otel.status_code", "ERROR")),
    }
}

/// The spans of the migrations that are under way. Those that travel in one flight are all open until their records arrive.
#[derive(Default)]
pub(crate) struct Spans(HashMap<i64, Span>);

impl Spans {
    /// A migration starts, or starts once more.
    pub(crate) fn open(&mut self, task: &Task<'_>) {
        let span = tracing::info_span!(
            "dunlin.migration",
            version = task.id().version(),
            name = task.id().name(),
            direction = %task.direction(),
            in_transaction = !task.is_outside_transaction(),
            outcome = Empty,
            took_us = Empty,
            otel.status_code = Empty,
        );
        self.0.insert(task.id().version(), span);
    }

    /// The span of a migration; none if nobody listens.
    pub(crate) fn of(&self, task: &Task<'_>) -> Span {
        self.0.get(&task.id().version()).cloned().unwrap_or_else(Span::none)
    }

    /// A migration was recorded. What is left of its span ends with what this returns.
    pub(crate) fn end(&mut self, done: &Done) -> Span {
        let span = self.0.remove(&done.id().version()).unwrap_or_else(Span::none);
        span.record("took_us", u64::try_from(done.took().as_micros()).unwrap_or(u64::MAX));
        span.record(
            "outcome",
            match done.direction() {
                Direction::Up => "applied",
                Direction::Down => "reverted",
            },
        );
        span
    }

    /// Nothing is under way any more.
    pub(crate) fn close(&mut self, error: Option<&Error>) {
        let failed = error.and_then(|error| Some((error, self.0.get(&error.migration()?.version())?)));
        if let Some((error, span)) = failed {
            fail(span, error);
        }
        self.0.clear();
    }
}
