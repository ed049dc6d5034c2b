use std::sync::{Arc, Mutex, PoisonError};

use crate::test_database::TestDatabase;

/// The databases of one test of `#[dunlin::test]`: its own, and those that it makes by hand.
///
/// They live until the test is over, so that a fixture can hand out a client and drop the [`TestDatabase`], and so that a test
/// which returns `Err` keeps them all. A panic alone could be seen by the drop of a database; an `Err` can't.
///
/// It is a task-local because it belongs to one future, wherever that is polled: many tests can run in one thread, one after
/// the other or at once, and none finds another's. Tasks that the test spawns have none, as they may outlive it. Without one,
/// as in `#[tokio::test]`, nothing is collected: a database goes when its last clone does, and stays if that is a panic.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    databases: Arc<Mutex<Vec<TestDatabase>>>,
}

tokio::task_local! {
    static SCOPE: Scope;
}

impl Scope {
    /// Runs a test inside this scope.
    pub(crate) async fn around<F: Future>(&self, test: F) -> F::Output {
        SCOPE.scope(self.clone(), test).await
    }

    /// Keeps every database.
    pub(crate) fn keep(&self) {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(TestDatabase::keep);
    }
}

/// Adds a database to the scope that the caller runs in, if there is one.
pub(crate) fn register(database: &TestDatabase) {
    let _ = SCOPE.try_with(|scope| {
        scope.databases.lock().unwrap_or_else(PoisonError::into_inner).push(database.clone());
    });
}
