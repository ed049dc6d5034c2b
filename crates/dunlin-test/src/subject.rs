use std::sync::LazyLock;

use dunlin_core::{Fingerprint, MigrationSet, Migrator};

/// What is applied to a test's database, or checked: made of a `&MigrationSet`, or of a `&Migrator` where the migrations need
/// what is set there: resources, a role, a `search_path`, a history of another name. A `&LazyLock` of either will do.
///
/// How a migrator reaches the service's own database, through a pooler or past it, does not count.
///
/// ```
/// use std::sync::LazyLock;
///
/// use dunlin_core::{MigrationSet, Migrator};
/// use dunlin_test::TestDatabase;
///
/// /// What migrations in Rust find in their context.
/// struct Region(&'static str);
///
/// static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
///     let birds = MigrationSet::builder().sql(1, "birds", "CREATE TABLE birds (name text)").build();
///     Migrator::new(birds.unwrap()).resource(Region("north"))
/// });
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let database = TestDatabase::fresh(&MIGRATOR).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Subject(Of);

#[derive(Clone, Debug)]
enum Of {
    /// A migrator is made of it when one is needed, which the copy of a template does not.
    Set(MigrationSet),
    Migrator(Box<Migrator>),
}

impl Subject {
    pub(crate) fn set(&self) -> &MigrationSet {
        match &self.0 {
            Of::Set(set) => set,
            Of::Migrator(migrator) => migrator.set(),
        }
    }

    pub(crate) fn migrator(&self) -> Migrator {
        match &self.0 {
            Of::Set(set) => Migrator::new(set.clone()),
            Of::Migrator(migrator) => Migrator::clone(migrator),
        }
    }

    /// That of the set, for a migrator that makes what the set alone makes.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        match &self.0 {
            Of::Set(set) => set.fingerprint(),
            Of::Migrator(migrator) => migrator.fingerprint(),
        }
    }
}

impl From<&MigrationSet> for Subject {
    fn from(set: &MigrationSet) -> Self {
        Self(Of::Set(set.clone()))
    }
}

/// Without what leads to the service's own database.
impl From<&Migrator> for Subject {
    fn from(migrator: &Migrator) -> Self {
        Self(Of::Migrator(Box::new(migrator.clone().without_pooler().without_hooks())))
    }
}

impl<F: FnOnce() -> MigrationSet> From<&LazyLock<MigrationSet, F>> for Subject {
    fn from(set: &LazyLock<MigrationSet, F>) -> Self {
        Self::from(&**set)
    }
}

impl<F: FnOnce() -> Migrator> From<&LazyLock<Migrator, F>> for Subject {
    fn from(migrator: &LazyLock<Migrator, F>) -> Self {
        Self::from(&**migrator)
    }
}
