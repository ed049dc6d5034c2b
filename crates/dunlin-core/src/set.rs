use std::fmt;
use std::sync::Arc;

use dunlin_script::Digest;

use crate::checksum::Identity;
use crate::code::Coded;
use crate::embedded::Folder;
use crate::history_digest::HistoryDigest;
use crate::{Error, Migration, MigrationId, RustMigration, SqlMigration};

/// The migrations that a program knows: sorted by version, each version once.
///
/// Cloning is cheap. [`embed!`] makes one from a folder at compile time; [`MigrationSet::builder`] makes one from
/// values.
///
/// [`embed!`]: https://docs.rs/dunlin/latest/dunlin/macro.embed.html
///
/// ```
/// use dunlin_core::MigrationSet;
///
/// let set = MigrationSet::builder()
///     .sql(1, "create_users", "CREATE TABLE users (id bigint PRIMARY KEY)")
///     .sql(2, "add_email", "ALTER TABLE users ADD COLUMN email text")
///     .build()?;
/// assert_eq!(set.len(), 2);
/// # Ok::<(), dunlin_core::Error>(())
/// ```
#[derive(Clone)]
pub struct MigrationSet(Arc<Inner>);

struct Inner {
    members: Vec<Member>,
    folder: Option<Folder>,
}

/// A migration of a set, with the half of its checksum that it is compared by.
pub(crate) struct Member {
    pub(crate) migration: Arc<dyn Migration>,
    pub(crate) identity: Identity,
}

impl Member {
    pub(crate) fn id(&self) -> &MigrationId {
        self.migration.id()
    }

    pub(crate) fn version(&self) -> i64 {
        self.id().version()
    }
}

impl MigrationSet {
    /// Starts an empty set.
    pub fn builder() -> MigrationSetBuilder {
        MigrationSetBuilder { migrations: Vec::new(), error: None }
    }

    /// How many migrations it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.members.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.members.is_empty()
    }

    /// The migrations in the order of their versions.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<dyn Migration>> {
        self.0.members.iter().map(|member| &member.migration)
    }

    /// A digest of all ids and checksums, in order: two sets with one fingerprint make one schema.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut text = String::new();
        for member in &self.0.members {
            text.push_str(&format!("{}\t{}\t{}\n", member.version(), member.id().name(), member.identity));
        }
        Fingerprint(Digest::of(text.as_bytes()))
    }

    pub(crate) fn from_sorted(migrations: Vec<Arc<dyn Migration>>, folder: Option<Folder>) -> Self {
        let members = migrations
            .into_iter()
            .map(|migration| Member { identity: migration.checksum().identity(), migration })
            .collect();
        Self(Arc::new(Inner { members, folder }))
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.0.members
    }

    pub(crate) fn folder(&self) -> Option<&Folder> {
        self.0.folder.as_ref()
    }

    pub(crate) fn find(&self, version: i64) -> Option<&Member> {
        let index = self.0.members.binary_search_by_key(&version, Member::version).ok()?;
        self.0.members.get(index)
    }

    /// The migrations whose backfills this one requires: of several with one name the last before it.
    pub(crate) fn required_by(&self, member: &Member) -> Result<Vec<&Member>, Error> {
        let one = |name: &str| {
            let earlier = self.0.members.iter().take_while(|other| other.version() < member.version());
            let what = match earlier.filter(|other| other.id().name() == name).last() {
                Some(other) if other.migration.is_backfill() => return Ok(other),
                Some(_) => ", which is no backfill: it is a migration that puts nothing off",
                None => {
                    ", and the set has no migration of that name before it: write the name without the version"
                }
            };
            Err(Error::required(member.id(), name, what))
        };
        member.migration.required_backfills().into_iter().map(one).collect()
    }

    /// The digest that a history has which holds exactly these migrations.
    pub(crate) fn history_digest(&self) -> HistoryDigest {
        self.0.members.iter().map(|member| (member.version(), member.identity)).collect()
    }
}

impl fmt::Debug for MigrationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|migration| migration.id())).finish()
    }
}

/// What [`MigrationSet::fingerprint`] and [`Migrator::fingerprint`](crate::Migrator::fingerprint) return. `Display` is `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(Digest);

impl Fingerprint {
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// One that sees this text, too.
    pub(crate) fn and(self, text: &str) -> Self {
        Self(Digest::of(format!("{self}\n{text}").as_bytes()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Collects migrations in any order. Made by [`MigrationSet::builder`].
#[must_use]
pub struct MigrationSetBuilder {
    migrations: Vec<Arc<dyn Migration>>,
    error: Option<Error>,
}

impl MigrationSetBuilder {
    /// Adds a SQL migration that has an `up` script only. A problem in it is told by [`build`](Self::build).
    pub fn sql(self, version: i64, name: impl Into<String>, up: impl AsRef<str>) -> Self {
        match SqlMigration::new(version, name, up) {
            Ok(migration) => self.migration(migration),
            Err(error) => Self { error: self.error.or(Some(error)), ..self },
        }
    }

    /// Adds a Rust migration.
    pub fn rust(self, version: i64, name: impl Into<String>, migration: impl RustMigration) -> Self {
        self.migration(Coded::new(MigrationId::new(version, name), migration))
    }

    /// Adds any migration.
    pub fn migration(self, migration: impl Migration) -> Self {
        self.shared(Arc::new(migration))
    }

    /// Adds a migration that is shared with another set.
    pub fn shared(mut self, migration: Arc<dyn Migration>) -> Self {
        self.migrations.push(migration);
        self
    }

    /// Sorts the migrations and checks that each version is there once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Script`](crate::ErrorKind::Script) for a SQL text that can't be a migration,
    /// [`ErrorKind::Set`](crate::ErrorKind::Set) for two migrations of one version, for a name that holds NUL, and for a required
    /// backfill that is no earlier migration's.
    pub fn build(mut self) -> Result<MigrationSet, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(migration) = self.migrations.iter().find(|migration| migration.id().name().contains('\0'))
        {
            return Err(Error::name(migration.id()));
        }
        self.migrations.sort_by_key(|migration| migration.id().version());
        let twice = self
            .migrations
            .iter()
            .zip(self.migrations.iter().skip(1))
            .find(|(a, b)| a.id().version() == b.id().version());
        match twice {
            Some((first, second)) => Err(Error::duplicate_version(first.id(), second.id())),
            None => {
                let set = MigrationSet::from_sorted(self.migrations, None);
                set.members().iter().try_for_each(|member| set.required_by(member).map(drop))?;
                Ok(set)
            }
        }
    }
}

impl fmt::Debug for MigrationSetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrationSetBuilder")
            .field("migrations", &self.migrations.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(migrations: &[(i64, &str, &str)]) -> MigrationSet {
        let builder = migrations
            .iter()
            .fold(MigrationSet::builder(), |builder, (version, name, sql)| builder.sql(*version, *name, sql));
        builder.build().unwrap()
    }

    #[test]
    fn a_set_is_sorted_and_its_fingerprint_sees_ids_and_tokens() {
        let one = set(&[(2, "b", "SELECT 2"), (1, "a", "SELECT 1")]);
        assert_eq!(one.iter().map(|m| m.id().version()).collect::<Vec<_>>(), [1, 2]);
        let reformatted = set(&[(1, "a", "SELECT  1 -- one"), (2, "b", "SELECT 2")]);
        assert_eq!(one.fingerprint(), reformatted.fingerprint());
        assert_ne!(one.fingerprint(), set(&[(1, "a", "SELECT 1"), (2, "b", "SELECT 3")]).fingerprint());
        assert_ne!(one.fingerprint(), set(&[(1, "a", "SELECT 1"), (3, "b", "SELECT 2")]).fingerprint());
    }

    #[test]
    fn f42_two_migrations_of_one_version_are_refused() {
        let error =
            MigrationSet::builder().sql(7, "a", "SELECT 1").sql(7, "b", "SELECT 1").build().unwrap_err();
        insta::assert_snapshot!(error, @"version 7 is taken twice, by `a` and by `b`: give one of them a new version");
    }
}
