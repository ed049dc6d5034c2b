//! PostgreSQL migrations for Rust services: a service migrates its database when it boots, one replica or a hundred at
//! once, and what was applied is verified, recorded and can be undone.
//!
//! # Three lines in `main`
//!
//! Put SQL files into a folder `migrations` beside `Cargo.toml`:
//!
//! `migrations/0001_create_users.up.sql`
//! ```sql
#![doc = include_str!("../migrations/0001_create_users.up.sql")]
//! ```
//! `migrations/0001_create_users.down.sql`, which is optional
//! ```sql
#![doc = include_str!("../migrations/0001_create_users.down.sql")]
//! ```
//!
//! and call [`migrate`] before the service uses the database:
//!
//! ```no_run
//! use dunlin::Migrator;
//! use tokio_postgres::NoTls;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = "host=db user=orders dbname=orders".parse()?;
//!     let migrator = Migrator::new(dunlin::embed!("migrations"));
//!     let report = dunlin::migrate(&config, NoTls, &migrator).await?;
//!     println!("{report}"); // 3 applied in 41.2ms (0 already there, 4 flights)
//!     Ok(())
//! }
//! ```
//!
//! [`embed!`] reads the folder at compile time and checks it: a name that does not parse, a version that is taken twice,
//! a `COMMIT`, a string that never ends are errors of the compiler with file, line and column. Where there is nothing to
//! do, [`migrate`] costs a connection and one flight: it takes no lock and writes nothing.
//!
//! With a pool, `dunlin_deadpool::migrate(&pool, &migrator)` takes one connection out of it and closes it afterwards.
//!
//! # What a migration can be
//!
//! **SQL in a transaction** is the default. Each migration is a transaction of its own, and many travel to the server in
//! one message. What it sets (`search_path`, `role`, timeouts) does not reach the next.
//!
//! **SQL outside a transaction**, for what PostgreSQL refuses inside one, says so in its header. Each statement is
//! recorded as it is done, and the next run goes on at the first one that is not, after running the `SET`s before it again;
//! nothing else of the session (temporary tables, `set_config`) is there any more. What an interrupted `CREATE INDEX`,
//! `REINDEX`, `DROP INDEX` or `DETACH PARTITION` has left, each `CONCURRENTLY`, is cleaned up or finished.
//!
//! `migrations/0003_index_names.up.sql`
//! ```sql
#![doc = include_str!("../migrations/0003_index_names.up.sql")]
//! ```
//!
//! **Rust**, in a file of the same folder that implements [`RustMigration`] for `pub struct Migration`. It gets the
//! migration's connection, inside the transaction, and whatever the application gives to [`Migrator::resource`].
//!
//! `migrations/0002_split_names.rs`
//! ```
#![doc = include_str!("../migrations/0002_split_names.rs")]
//! ```
//!
//! **Any other source** implements [`Migration`], and [`MigrationSet::builder`] puts everything together.
//!
//! The header of a SQL file, its leading `--` comments, may hold directives:
//!
//! | Directive | Meaning |
//! |---|---|
//! | `-- dunlin: no-transaction` | run the statements one by one, outside a transaction |
//! | `-- dunlin: lock-timeout = 2s` | how long one try waits for a table's lock, instead of 200 ms |
//! | `-- dunlin: statement-timeout = 30s` | how long a statement may run, instead of without end |
//! | `-- dunlin: requires-backfill = name` | finish the backfill of an earlier migration first, or what [`Gate`] says instead |
//!
//! # Verify
//!
//! A `.verify.sql` passes when every statement succeeds and every boolean that it returns is true. It runs in the
//! migration's own transaction, in a savepoint that is rolled back: a migration that does not verify leaves nothing.
//!
//! `migrations/0003_index_names.verify.sql`
//! ```sql
#![doc = include_str!("../migrations/0003_index_names.verify.sql")]
//! ```
//!
//! [`Migrator::verify`] runs those of all applied migrations at any time: a script has to hold for as long as its migration is applied, so it does
//! not look at what a later one takes away.
//!
//! # Going back, and looking first
//!
//! ```no_run
//! # async fn f(migrator: dunlin::Migrator, client: &mut tokio_postgres::Client) -> Result<(), dunlin::Error> {
//! use dunlin::Target;
//!
//! println!("{}", migrator.status(client).await?);
//! println!("{}", migrator.plan(client, Target::Relative(-1)).await?); // what would be done
//! let report = migrator.run(client, Target::Relative(-1)).await?; // undoes what was applied last
//! assert_eq!(report.reverted().count(), 1);
//! # Ok(()) }
//! ```
//!
//! A [`Plan`], a [`Report`] and a [`Status`] are values: `Display` for people, `Serialize` with the feature `serde`. Down
//! never happens without being named, and a plan through a migration without a down is refused before its first statement.
//!
//! # Older, newer, edited
//!
//! The history keeps two checksums of each migration: one of the text and one of its tokens. Comments, white space and
//! line ends never stop a boot. What does is a policy each:
//!
//! | Difference | Default | |
//! |---|---|---|
//! | the database holds later migrations | boots, [`State::Ahead`] | [`Ahead`] |
//! | an applied migration says something else now | refused | [`Edited`] |
//! | an applied migration is gone from the set | refused | [`Missing`] |
//! | a migration arrives late, before one that is applied | refused | [`OutOfOrder`] |
//!
//! # When it goes wrong
//!
//! An [`Error`] names the migration, the file, the line and the column, what is wrong and what to do, and carries the
//! [`Report`] of what was applied before it. [`Error::kind`] is for branching. Texts hold no row values and no secrets.
//!
//! A history is mended with [`Migrator::stamp`], which declares what is true. Deleting a row by hand is noticed for the newest
//! one alone, and by [`Migrator::status`].
//!
//! A lost connection is not guessed about: the history is written in the migration's own transaction. [`migrate`] connects
//! again, takes the lock and reads how it ended; with a client of your own the next run does.
//!
//! [`Migrator::diagnose`] says what stands around a run: a pooler, rights, the holder of the lock, what was left half done.
//!
//! # Poolers and roles
//!
//! A pooler in session mode is as good as none. One in transaction mode has to be told of, or be gone around:
//!
//! ```no_run
//! # async fn f(set: dunlin::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
//! use dunlin::{Direct, Ident, Migrator, Pooler};
//! use tokio_postgres::NoTls;
//!
//! let config = "host=pgbouncer user=orders_app dbname=orders".parse()?;
//! let migrator = Migrator::new(set).role(Ident::new("orders_owner")?); // who owns what is created
//!
//! // Works through the pooler on two connections; no migration may be outside a transaction.
//! dunlin::migrate(&config, NoTls, &migrator.clone().pooler(Pooler::Transaction)).await?;
//!
//! // Looks through the pooler, which is enough where there is nothing to do, and works around it.
//! let direct = Direct::new("host=db user=orders_app dbname=orders".parse()?, NoTls);
//! dunlin::migrate(&config, NoTls, &migrator.direct(direct)).await?;
//! # Ok(()) }
//! ```
//!
//! A service that leaves migrating to somebody else asks [`Migrator::ensure_current`], and may run the verify scripts with
//! [`Migrator::verify_read_only`]: SELECT is all that it needs.
//!
//! # Before and after
//!
//! [`Migrator::requires`] says what has to be true before anything runs, and all that is not is told at once. Hooks are called around a
//! run ([`Migrator::around_run`]) and around each migration ([`Migrator::around_each`]), under the lock, and only where there is
//! something to do.
//!
//! ```no_run
//! # fn f(set: dunlin::MigrationSet) -> dunlin::Migrator {
//! use dunlin::requirement::{Extension, Privilege, ServerVersion};
//! use dunlin::{BoxError, Migrator, RunContext, RunHook};
//!
//! struct Backup;
//!
//! #[async_trait::async_trait]
//! impl RunHook for Backup {
//!     async fn before(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
//!         let made = tokio::process::Command::new("backup-orders").arg(cx.run_id()).status().await?;
//!         if made.success() { Ok(()) } else { Err("there is no backup".into()) }
//!     }
//! }
//!
//! Migrator::new(set)
//!     .requires(ServerVersion::at_least(15))
//!     .requires(Extension::available("pg_trgm"))
//!     .requires(Privilege::create_on_schema("app"))
//!     .around_run(Backup)
//! # }
//! ```
//!
//! # A service that answers while it migrates
//!
//! A migration that runs before the port opens gets a service killed by whoever asks whether it is alive. `dunlin-startup` runs it in a task
//! of its own and says when the service is ready, `dunlin-axum` makes routes and a page of that. What a run tells on the way is
//! [`Progress`], and for who traces [`observability`].
//!
//! # In tests
//!
//! [`#[dunlin::test]`](macro@test) gives each test a database of its own, with the migrations applied, and keeps that of a test
//! that fails. With `dunlin-test` among the `dev-dependencies` this is all there is to it, with `cargo test` and with
//! `cargo nextest`:
//!
//! ```
//! use tokio_postgres::Client;
//!
//! #[dunlin::test]
//! async fn a_user_has_a_first_name(client: Client) -> Result<(), tokio_postgres::Error> {
//!     client.execute("INSERT INTO users (name, first_name) VALUES ('Ada Lovelace', 'Ada')", &[]).await?;
//!     assert_eq!(client.query("SELECT first_name FROM users", &[]).await?.len(), 1);
//!     Ok(())
//! }
//! ```
//!
//! `dunlin-test` finds a server or starts a throw-away one; its `TestDatabase` is the same without the attribute.

#![deny(missing_docs)]

#[doc = include_str!("../docs/observability.md")]
pub mod observability {}

pub use dunlin_core::*;
pub use dunlin_macros::{embed, test};

#[doc(hidden)]
pub use dunlin_core::embedded as __private;
