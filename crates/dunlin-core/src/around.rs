//! Calling the hooks of a run, each as often as it should be, however many connections the run takes.

use std::time::Duration;

use crate::connect::Connect;
use crate::history_sql::RunName;
use crate::plan::{Plan, Step};
use crate::progress::Progress;
use crate::report::Done;
use crate::run::Run;
use crate::{Error, ErrorKind, HookPoint, MigrationHookContext, Migrator, Report, RunContext, Stopped};

/// What the hooks of a run have been told. It goes along when the run goes on with another connection.
#[derive(Debug, Default)]
pub(crate) struct Around {
    /// What the run does, as it was planned first; nothing until then.
    plan: Option<Plan>,
    /// How many hooks have heard that the run begins, and not yet how it has ended.
    run: usize,
    /// Whether everything that the run requires was found to be met.
    pub(crate) is_checked: bool,
    /// The migrations that are under way. More than one where a failover has taken back what was done before.
    each: Vec<Each>,
}

/// What the hooks of a migration have been told.
#[derive(Clone, Copy, Debug)]
struct Each {
    /// Which step of the plan it is, from 0.
    index: usize,
    /// How many hooks have heard that it begins, and not yet how it has ended.
    told: usize,
}

impl Around {
    /// Whether hooks have heard that the run begins.
    pub(crate) fn has_begun(&self) -> bool {
        self.plan.is_some()
    }

    /// Whether a hook waits to hear how something has ended.
    fn is_open(&self) -> bool {
        self.run > 0 || !self.each.is_empty()
    }

    /// Tells all who wait for it that the run has failed, the last one first. Once: nobody waits afterwards.
    pub(crate) async fn fail(
        &mut self,
        migrator: &Migrator,
        connect: Option<&dyn Connect>,
        name: &RunName,
        error: &Error,
    ) {
        let Some(plan) = &self.plan else { return };
        let cx = context(plan, migrator, connect, name);
        for Each { index, told } in std::mem::take(&mut self.each).into_iter().rev() {
            let Some(step) = plan.steps.get(index) else { continue };
            let cx = MigrationHookContext { run: cx, step, number: index.saturating_add(1) };
            for hook in migrator.hooks.each.iter().take(told).rev() {
                hook.failed(&cx, error).await;
            }
        }
        for hook in migrator.hooks.run.iter().take(std::mem::take(&mut self.run)).rev() {
            hook.failed(&cx, error).await;
        }
    }
}

impl Run<'_> {
    /// Calls what is called before the first statement. Once, whatever becomes of the connection.
    pub(crate) async fn begin(&mut self, plan: &Plan) -> Result<(), Error> {
        let hooks = &self.migrator.hooks;
        if !hooks.are_there() || self.around.has_begun() {
            return Ok(());
        }
        let next = plan.steps.first().map(|step| step.id.clone());
        if self.migrator.stop.is_stopped() {
            return Err(Error::stopped(next));
        }
        self.around.plan = Some(plan.clone());
        for (number, hook) in hooks.run.iter().enumerate() {
            let cx = context(plan, self.migrator, self.connector(), &self.name);
            self.migrator.observer.notify(Progress::Hook { point: HookPoint::Before, id: None });
            match hook.before(&cx).await {
                Ok(()) => self.around.run = number.saturating_add(1),
                Err(error) if Stopped::is_in(&*error) => return Err(Error::stopped(next)),
                Err(error) => return Err(tell(Error::hook_of_run(HookPoint::Before, error))),
            }
        }
        Ok(())
    }

    /// Calls what is called when everything is committed, the last one first. A hook that fails is the failure of those around
    /// it.
    pub(crate) async fn end(&mut self) -> Result<(), Error> {
        self.end_each(|_| false).await?;
        let migrator = self.migrator;
        while let Some(number) = self.around.run.checked_sub(1) {
            let report = self.report_so_far();
            let Some(plan) = &self.around.plan else { return Ok(()) };
            let cx = context(plan, migrator, self.connector(), &self.name);
            let Some(hook) = migrator.hooks.run.get(number) else { return Ok(()) };
            migrator.observer.notify(Progress::Hook { point: HookPoint::After, id: None });
            let outcome = hook.after(&cx, &report).await;
            self.around.run = number;
            outcome.map_err(|error| tell(Error::hook_of_run(HookPoint::After, error)))?;
        }
        Ok(())
    }

    /// Calls what is called before a migration, unless it was for an earlier try.
    pub(crate) async fn begin_each(&mut self, step: &Step) -> Result<(), Error> {
        let hooks = &self.migrator.hooks;
        let Some(plan) = self.around.plan.as_ref().filter(|_| !hooks.each.is_empty()) else {
            return Ok(());
        };
        let Some((index, step)) = plan.steps.iter().enumerate().find(|(_, it)| is_same(it, step)) else {
            return Ok(());
        };
        if self.around.each.iter().any(|each| each.index == index) {
            return Ok(());
        }
        let run = context(plan, self.migrator, self.connector(), &self.name);
        let cx = MigrationHookContext { run, step, number: index.saturating_add(1) };
        let mut told = 0_usize;
        let mut outcome = Ok(());
        for hook in &hooks.each {
            let now = Progress::Hook { point: HookPoint::Before, id: Some(&step.id) };
            self.migrator.observer.notify(now);
            outcome = hook.before(&cx).await;
            if outcome.is_err() {
                break;
            }
            told = told.saturating_add(1);
        }
        self.around.each.push(Each { index, told });
        outcome.map_err(|error| match Stopped::is_in(&*error) {
            true => Error::stopped(Some(step.id.clone())),
            false => tell(Error::hook_of_each(step, HookPoint::Before, error)),
        })
    }

    /// Calls what is called after migrations that were under way: those that this run has recorded, and those that are not left to
    /// be done, which others have recorded after it had lost its connection.
    pub(crate) async fn end_each(&mut self, is_left: impl Fn(&Step) -> bool) -> Result<(), Error> {
        let migrator = self.migrator;
        let connect = self.connector();
        let Some(plan) = &self.around.plan else { return Ok(()) };
        let run = context(plan, migrator, connect, &self.name);
        let mut place = 0;
        while let Some(&Each { index, told }) = self.around.each.get(place) {
            let Some(step) = plan.steps.get(index) else { return Ok(()) };
            let is_it = |done: &&Done| (done.id(), done.direction()) == (&step.id, step.direction);
            let took = match self.report.done.iter().rev().find(is_it) {
                Some(done) => done.took(),
                None if is_left(step) => {
                    place = place.saturating_add(1);
                    continue;
                }
                None => Duration::ZERO,
            };
            let cx = MigrationHookContext { run, step, number: index.saturating_add(1) };
            for (number, hook) in migrator.hooks.each.iter().enumerate().take(told).rev() {
                migrator.observer.notify(Progress::Hook { point: HookPoint::After, id: Some(&step.id) });
                let outcome = hook.after(&cx, took).await;
                if let Some(each) = self.around.each.get_mut(place) {
                    each.told = number;
                }
                outcome.map_err(|error| tell(Error::hook_of_each(step, HookPoint::After, error)))?;
            }
            self.around.each.remove(place);
        }
        Ok(())
    }

    /// Tells the hooks of an error that ends the run for good, while the lock is still held. One that another connection may mend
    /// is told of when none does.
    pub(crate) async fn tell_hooks(&mut self, error: Error) -> Error {
        let is_lost = matches!(error.kind(), ErrorKind::Connection | ErrorKind::LockLost | ErrorKind::Pooler);
        if is_lost || !self.around.is_open() {
            return error;
        }
        let error = error.after(self.report_so_far());
        let connect = self.connector();
        self.around.fail(self.migrator, connect, &self.name, &error).await;
        error
    }

    fn report_so_far(&self) -> Report {
        let mut report = self.report.clone();
        report.flights = report.flights.saturating_add(self.wire.flights());
        report.took = report.took.saturating_add(self.wire.took());
        report
    }
}

fn context<'a>(
    plan: &'a Plan,
    migrator: &'a Migrator,
    connect: Option<&'a dyn Connect>,
    name: &'a RunName,
) -> RunContext<'a> {
    RunContext { plan, migrator, connect, run_id: &name.id }
}

/// Whether a step of the plan as it was first is one of the plan as it is now.
pub(crate) fn is_same(first: &Step, now: &Step) -> bool {
    (&first.id, first.direction) == (&now.id, now.direction)
}

/// An error of a hook's is in the log of whoever looks there first.
fn tell(error: Error) -> Error {
    tracing::error!(%error, "a hook failed");
    error
}
