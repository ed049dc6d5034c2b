/// What keeps tests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// A database for each test, copied from a template. Only what all databases of a server share is shared: roles,
    /// tablespaces, replication slots, the server's settings.
    Database,
    /// A schema for each test, in the database of `DATABASE_URL`, for roles that may not create databases. The migrations run
    /// for each test, and `search_path` is the schema, then `public`.
    ///
    /// It keeps apart what unqualified names mean. It does not keep apart
    /// - extensions, which a database has once: install them beforehand, into `public`;
    /// - names that are qualified in a migration (`CREATE TABLE public.birds`), and schemas that it creates;
    /// - functions with a `search_path` of their own;
    /// - advisory locks, `LISTEN` and `NOTIFY`, large objects, event triggers, publications and the database's own settings and
    ///   privileges;
    /// - what is in `public` already: names that the schema lacks mean that.
    ///
    /// The history is in the schema as well, whatever a migrator says of it and of `search_path`: take [`TestDatabase::migrator`](crate::TestDatabase::migrator) for a test that
    /// migrates.
    Schema,
}
