//! What the expansion of `#[dunlin::test]` is made of.
//!
//! Not part of the public API; it may change in any release.

use std::{
    any,
    error::Error as StdError,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    process::{ExitCode, Termination},
    time::Duration,
};

use dunlin_core::{BoxError, Target};

use crate::{
    error::Error, from_test_database::FromTestDatabase, scope::Scope, subject::Subject,
    test_database::TestDatabase,
};

pub use crate::{migrations::Migrations, outcome::Passes};

/// How long the end of a test waits for what runs on threads of its runtime. A task ends where it awaits; what blocks a thread
/// for longer is left to itself.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// The flavor of a test's runtime.
#[derive(Clone, Copy, Debug)]
pub enum Flavor {
    /// Everything runs in the test's own thread.
    CurrentThread,
    /// Spawned tasks run on so many worker threads; without a number, on one for each processor.
    MultiThread(Option<usize>),
}

/// Runs a test to its end, and decides what becomes of its databases.
///
/// # Panics
/// As the test does, and if it did not get what it asks for.
#[track_caller]
pub fn run<R: Termination>(
    flavor: Flavor,
    passes: Passes,
    test: impl Future<Output = Result<R, Unprepared>>,
) -> ExitCode {
    // An `Err` is printed by its report, as the test harness would.
    drive(flavor, passes, Box::pin(async { test.await.map(Termination::report) }))
}

/// Boxed, so that what polls a test is compiled once and not for each.
#[track_caller]
fn drive(
    flavor: Flavor,
    passes: Passes,
    test: Pin<Box<dyn Future<Output = Result<ExitCode, Unprepared>> + '_>>,
) -> ExitCode {
    let runtime = runtime(flavor);
    let scope = Scope::default();
    let ended = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(scope.around(test))));
    let has_passed = match &ended {
        Ok(Ok(code)) => passes.when_returned(*code),
        Ok(Err(_)) => false,
        Err(payload) => passes.when_panicked(&**payload),
    };
    if !has_passed {
        scope.keep();
    }
    // The tasks hold connections, and pools of them. They end before the databases are handed back.
    runtime.shutdown_timeout(SHUTDOWN);
    // Nothing unwinds here: a database that is not kept by now is handed back.
    drop(scope);
    match ended {
        Ok(Ok(code)) => code,
        Ok(Err(unprepared)) => fail(passes, &unprepared),
        Err(payload) => panic::resume_unwind(payload),
    }
}

#[track_caller]
fn runtime(flavor: Flavor) -> tokio::runtime::Runtime {
    let mut builder = match flavor {
        Flavor::CurrentThread => tokio::runtime::Builder::new_current_thread(),
        Flavor::MultiThread(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Flavor::MultiThread(Some(workers)) = flavor {
        builder.worker_threads(workers);
    }
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    builder
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("could not start the runtime of this test: {error}"))
}

/// Fails a test whose body never ran.
#[track_caller]
fn fail(passes: Passes, unprepared: &Unprepared) -> ExitCode {
    let text = with_causes(unprepared);
    match passes {
        #[expect(clippy::panic, reason = "a test fails by a panic")]
        Passes::ByReturning => panic!("{text}"),
        // A panic would be a pass. To return fails, and what is printed is shown.
        #[expect(clippy::print_stderr, reason = "there is no other way to say why the test has failed")]
        Passes::ByPanicking { .. } => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Why a test did not get what it asks for.
#[derive(Debug, thiserror::Error)]
pub enum Unprepared {
    /// The expression of `migrations` is an `Err`.
    #[error("there are no migrations for this test")]
    Migrations(#[source] BoxError),
    /// There is no database.
    #[error("there is no database for this test")]
    Database(#[source] Error),
    /// An argument could not be made.
    #[error("could not make the `{ty}` that this test asks for")]
    Argument {
        /// Its type.
        ty: &'static str,
        /// What that says.
        source: BoxError,
    },
}

/// Gives what `migrations = ...` names.
pub fn migrations<Kind>(named: &impl Migrations<Kind>) -> Result<Subject, Unprepared> {
    named.subject().map_err(Unprepared::Migrations)
}

/// What `at = ...` may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no version of a migration",
    label = "not an `i64`",
    note = "`at` is a version, as in `at = 6`, or a `dunlin::Target`"
)]
pub trait At {
    /// Gives the target.
    fn target(self) -> Target;
}

impl At for i64 {
    fn target(self) -> Target {
        Target::Version(self)
    }
}

impl At for Target {
    fn target(self) -> Target {
        self
    }
}

/// Gives the target that `at = ...` names.
pub fn at(named: impl At) -> Target {
    named.target()
}

/// Gives the database of a test. Fixtures are names and texts.
pub async fn database(
    migrations: Subject,
    target: Option<Target>,
    fixtures: &[(&str, &str)],
) -> Result<TestDatabase, Unprepared> {
    let builder = TestDatabase::builder(migrations).at(target.unwrap_or_default());
    // Editors of Windows begin a file with a byte order mark, which is no SQL.
    let add = |builder: crate::TestDatabaseBuilder, (name, sql): &(&str, &str)| {
        builder.fixture(*name, sql.trim_start_matches('\u{feff}'))
    };
    fixtures.iter().fold(builder, add).create().await.map_err(Unprepared::Database)
}

/// Makes an argument of a test.
///
/// No `async fn`, whose type would need the trait once more: the compiler says a mistake twice then.
pub fn argument<'a, T: FromTestDatabase + 'a>(
    database: &'a TestDatabase,
) -> Pin<Box<dyn Future<Output = Result<T, Unprepared>> + 'a>> {
    let ty = any::type_name::<T>();
    Box::pin(async move {
        T::from_test_database(database).await.map_err(|source| Unprepared::Argument { ty, source })
    })
}

/// An error in one line, with what it was caused by.
pub(crate) fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut error = error;
    while let Some(source) = error.source() {
        text.push_str(&format!(": {source}"));
        error = source;
    }
    text
}
