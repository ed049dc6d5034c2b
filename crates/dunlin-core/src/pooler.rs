/// What stands between the program and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooler {
    /// Nothing, or a pooler that gives each client a server connection of its own (pgbouncer's `pool_mode = session`). A
    /// pooler that does not is noticed, and the run ends with an error of kind
    /// [`Pooler`](crate::ErrorKind::Pooler).
    #[default]
    Session,
    /// A pooler that gives out a server connection for each transaction (pgbouncer's `pool_mode = transaction`).
    ///
    /// The run takes two connections: one keeps the lock in a transaction that stays open, the other works. Each
    /// transaction that works makes sure that the keeper's is still the same. Nothing is set but for a transaction.
    /// Migrations outside a transaction can't be run in this way: a run refuses them before its first statement
    /// ([`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)), unless
    /// [`Migrator::direct`](crate::Migrator::direct) leads it past the pooler.
    /// A dropped run is not cancelled by a request: the pooler closes the server connection of a client that has gone, and
    /// the server notices.
    Transaction,
}
