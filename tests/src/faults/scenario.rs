//! The plan that everything goes wrong with.

use std::time::Duration;

use dunlin::{BoxError, Context, MigrationSet, Migrator, Report, RustMigration, SqlMigration};

/// Which migrations are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// All of the [`migrator`]'s.
    Whole,
    /// Those of them that can be applied behind a pooler in transaction mode: all but what is outside a transaction.
    Transactional,
}

impl Scenario {
    /// Applies them on a connection that is its own.
    pub(crate) fn migrator(self) -> Migrator {
        Migrator::new(self.set()).deadline(Duration::from_secs(60))
    }

    /// What every step leaves in the table `effects`, in order. The table takes any step twice.
    pub(crate) fn effects(self) -> &'static str {
        match self {
            Self::Whole => "1 2 3 5a 5b 6a 6c",
            Self::Transactional => "1 2 3 5a 5b",
        }
    }

    /// How many migrations there are.
    pub(crate) fn steps(self) -> usize {
        self.set().len()
    }

    /// Whether a run says that it has applied each of them once, in order, whether or not its COMMIT was acknowledged.
    pub(crate) fn is_all_of(self, report: &Report) -> bool {
        let (set, applied) = (self.set(), report.applied().map(|done| done.id().version()));
        applied.eq(set.iter().map(|migration| migration.id().version()))
    }

    fn set(self) -> MigrationSet {
        let second = SqlMigration::new(2, "birds", birds()).expect("a migration");
        let third = format!("{}; UPDATE birds SET song = song || '!'; {}", effect("3"), Nap::Sql.sql());
        let set = MigrationSet::builder()
            .sql(1, "effects", effects())
            .migration(second.with_verify(VERIFY).expect("a verify script"))
            .sql(3, "sing", third)
            .rust(5, "code", Code);
        let set = match self {
            Self::Whole => set.sql(4, "index", INDEX).sql(6, "vacuum", outside()),
            Self::Transactional => set,
        };
        set.build().expect("a set")
    }
}

/// A step that can be made to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nap {
    /// Among plain SQL, in a flight.
    Sql,
    /// In a Rust migration.
    Rust,
    /// In a statement outside a transaction.
    Outside,
}

impl Nap {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Sql, Self::Rust, Self::Outside];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Rust => "rust",
            Self::Outside => "outside",
        }
    }

    /// Sleeps for five seconds in a session with its [option](Self::option).
    fn sql(self) -> String {
        format!(
            "SELECT pg_sleep(CASE current_setting('faults.nap', true) WHEN '{}' THEN 5 ELSE 0 END)",
            self.name()
        )
    }

    /// What a client has to send as `options` for this step to sleep in its session.
    pub(crate) fn option(self) -> String {
        format!("-c faults.nap={}", self.name())
    }
}

/// The migrations that are applied while something goes wrong: three transactional steps, one of them with a verify script that
/// writes, a concurrent index, a Rust step, and a step of three statements outside a transaction.
///
/// # Panics
/// If dunlin does not take them.
pub fn migrator() -> Migrator {
    Scenario::Whole.migrator()
}

fn effect(step: &str) -> String {
    format!("INSERT INTO effects (step) VALUES ('{step}')")
}

fn effects() -> String {
    let table = "CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, step text NOT NULL)";
    format!("{table}; {}", effect("1"))
}

fn birds() -> String {
    let table = "CREATE TABLE birds (id bigint NOT NULL, song text NOT NULL)";
    format!("{table}; INSERT INTO birds SELECT n, 'pi' FROM generate_series(1, 50) AS n; {}", effect("2"))
}

/// It writes what must not stay.
const VERIFY: &str = "INSERT INTO effects (step) VALUES ('verified'); SELECT count(*) = 50 FROM birds";

const INDEX: &str = "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY birds_song ON birds (song)";

fn outside() -> String {
    let nap = Nap::Outside.sql();
    format!(
        "-- dunlin: no-transaction\nWITH nap AS MATERIALIZED ({nap}) INSERT INTO effects (step) SELECT '6a' FROM nap;\nVACUUM birds;\n{}",
        effect("6c")
    )
}

struct Code;

impl RustMigration for Code {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().execute("INSERT INTO effects (step) VALUES ($1)", &[&"5a"]).await?;
        cx.client().batch_execute(&Nap::Rust.sql()).await?;
        cx.client().batch_execute(&effect("5b")).await?;
        Ok(())
    }
}
