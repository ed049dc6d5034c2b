use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio_postgres::Client;

use crate::progress::Progress;
use crate::{Connect, Connection, Error, MigrationId, Migrator, Stop};

/// What a hook of a migration works with.
///
/// It lends the runner's own connection, inside the transaction that the runner opened. The client is shared, so a
/// hook can't open or end a transaction by type; one that ends it by text is found out before the history is written.
pub struct Context<'a> {
    client: &'a Client,
    id: &'a MigrationId,
    migrator: &'a Migrator,
    connect: Option<&'a dyn Connect>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        client: &'a Client,
        id: &'a MigrationId,
        migrator: &'a Migrator,
        connect: Option<&'a dyn Connect>,
    ) -> Self {
        Self { client, id, migrator, connect }
    }

    /// The connection, inside the migration's transaction.
    #[must_use]
    pub fn client(&self) -> &'a Client {
        self.client
    }

    /// The id of the migration that runs.
    #[must_use]
    pub fn id(&self) -> &'a MigrationId {
        self.id
    }

    /// The migrator that runs.
    #[must_use]
    pub fn migrator(&self) -> &'a Migrator {
        self.migrator
    }

    /// Where the run has its connections from; `None` where it was given a client of the caller's, as by
    /// [`Migrator::run`], and in [`Migrator::verify`].
    #[must_use]
    pub fn connector(&self) -> Option<&'a dyn Connect> {
        self.connect
    }

    /// Opens another connection, for work beside that of the migration's own: with the [role](Migrator::role) and the
    /// [`search_path`](Migrator::search_path) that migrations have, and without timeouts. It sees nothing of a transaction that
    /// is open here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where there is no [`connector`](Self::connector), or a pooler in
    /// transaction mode behind it; and when the server can't be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn connect(&self) -> Result<Connection, Error> {
        match self.connect {
            Some(connect) => self.migrator.open(connect).await,
            None => Err(Error::no_connector(self.id.clone())),
        }
    }

    /// Something of the application's that was given to
    /// [`Migrator::resource`](crate::Migrator::resource), by its type.
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.migrator.resources.get()
    }

    /// What asks the run to stop: a hook that takes long asks it [now and then](crate::Stop::check).
    #[must_use]
    pub fn stop(&self) -> &'a Stop {
        self.migrator.stop()
    }

    /// Reports that `done` of `total` units of work are done.
    pub fn progress(&self, done: u64, total: u64) {
        self.migrator.observer.notify(Progress::Advanced { id: self.id, done, total });
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("id", self.id).finish_non_exhaustive()
    }
}

/// The application's own values, by type.
#[derive(Clone, Default)]
pub(crate) struct Resources(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Resources {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_found_by_type() {
        let mut resources = Resources::default();
        resources.insert(7_u32);
        resources.insert("bucket".to_owned());
        assert_eq!(resources.get::<u32>(), Some(&7));
        assert_eq!(resources.get::<String>().map(String::as_str), Some("bucket"));
        assert_eq!(resources.get::<u64>(), None);
    }
}
