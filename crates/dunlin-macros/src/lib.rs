//! The macros of [dunlin](https://docs.rs/dunlin). Use them through that crate, and those of backfills through
//! [dunlin-backfill](https://docs.rs/dunlin-backfill): what they expand to names them.

mod attribute;
mod derive;
mod embed;
mod errors;
mod expand;
mod input;
mod migration;
mod mistake;
mod read;
mod rust_file;
mod setting;

use proc_macro::TokenStream;

/// Puts a folder of migrations into the program: an expression of type `dunlin::MigrationSet`.
///
/// ```text
/// let migrations = dunlin::embed!("migrations");
/// ```
///
/// The path is relative to the folder of the package's `Cargo.toml`. Folders inside the folder are not read.
///
/// # Files
///
/// | File | What it is |
/// |---|---|
/// | `0007_split_names.up.sql`, or `0007_split_names.sql` | the SQL that applies migration 7 |
/// | `0007_split_names.down.sql` | the SQL that undoes it, optional |
/// | `0007_split_names.verify.sql` | the SQL that checks it, optional |
/// | `0007_split_names.rs` | migration 7 in Rust, instead of SQL |
///
/// A version is a number, of any width, and orders the migrations. Other files (`README.md`, `mod.rs`, dot files) are left
/// alone; a file that ends in `.sql` or `.rs` and isn't called like this is an error.
///
/// A `.rs` file becomes a module where the macro stands. It defines the migration as a unit struct called `Migration`:
///
/// ```text
/// use dunlin::{BoxError, Context, RustMigration};
///
/// pub struct Migration;
///
/// impl RustMigration for Migration {
///     async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
///         cx.client().batch_execute("...").await?;
///         Ok(())
///     }
/// }
/// ```
///
/// # Errors
///
/// Everything that can be known to be wrong without a database is an error of the compiler, with file, line and column, all at
/// once: versions that are there twice, names that don't fit, down and verify scripts without their migration; files that are
/// empty or not UTF-8, NUL, white space that isn't; unknown `-- dunlin:` directives; strings, comments and parentheses that never
/// end; transaction control, and what can't run in a transaction where there is one; `COPY ... FROM STDIN` and commands of
/// psql.
///
/// # Rebuilds
///
/// A change to a file rebuilds the package. The compiler can't see a *new* file; this `build.rs` makes cargo look for it:
///
/// ```text
/// fn main() {
///     println!("cargo::rerun-if-changed=migrations");
/// }
/// ```
///
/// Without it, a debug build notices at run time that the folder holds a file that the program doesn't. A release build
/// doesn't know the folder's path.
///
/// A folder of 1,000 files makes `cargo check` take 0.21 s instead of 0.12 s after a change, and `cargo build` 1.23 times as
/// long (two cores, unoptimised macros; `cargo run --release -p benches --bin compile-cost` measures it).
#[proc_macro]
pub fn embed(input: TokenStream) -> TokenStream {
    embed::embed(input).unwrap_or_else(mistake::Mistake::into_compile_error)
}

/// Makes an `async fn` a test that gets a database of its own, with the migrations applied.
///
/// ```text
/// #[dunlin::test]
/// async fn a_bird_is_counted(client: tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
///     client.execute("INSERT INTO birds VALUES ('dunlin')", &[]).await?;
///     let count: i64 = client.query_one("SELECT count(*) FROM birds", &[]).await?.get(0);
///     assert_eq!(count, 1);
///     Ok(())
/// }
/// ```
///
/// It needs `dunlin-test` among the `dev-dependencies`, and nothing else: that finds or starts a server, makes the database and
/// brings the runtime. The test runs by `cargo test`, by `cargo nextest` and beside rstest, in parallel with all others.
///
/// # What a test asks for
///
/// Each argument is asked for by its type, and all are of the same database:
///
/// | Type | What the test gets |
/// |---|---|
/// | `tokio_postgres::Client` | a connection |
/// | `tokio_postgres::Config` | how to connect |
/// | `dunlin_test::TestDatabase` | the database: its name, its URL, more connections |
/// | `deadpool_postgres::Pool` | a pool; with the feature `deadpool` of `dunlin-test` |
/// | one of your own | what its `dunlin_test::FromTestDatabase` makes: a store, the state of a service |
/// | `Arc<T>` | any of these, shared |
///
/// Arguments may be patterns, as in `mut client: Client`. A test that asks for nothing gets no database, and may make some by
/// hand with `TestDatabase::fresh`. It returns what a `#[test]` may return: nothing, or a `Result` whose error is `Debug`.
///
/// # Options
///
/// ```text
/// #[dunlin::test(migrations = crate::migrations(), fixtures("tests/fixtures/users.sql"), at = 6)]
/// async fn names_are_split(client: Client, config: Config) { ... }
/// ```
///
/// | Option | Meaning | Without it |
/// |---|---|---|
/// | `migrations = "db/migrations"` | the migrations of this folder, as by `embed!` | `"migrations"` |
/// | `migrations = crate::migrations()` | these: a `MigrationSet` or a `Migrator`, a reference to one, a `LazyLock` or a `Result` of one, or a function that returns any of these | |
/// | `fixtures("a.sql", "b.sql")` | runs these files after the migrations | none |
/// | `at = 6` | migrates to this version, or to a `dunlin::Target`: for the test of a migration that moves data | the latest |
/// | `flavor = "multi_thread"` | spawned tasks run on threads of their own | `"current_thread"` |
/// | `worker_threads = 2` | on so many, with that flavor | one for each processor |
///
/// Paths are relative to the folder of `Cargo.toml`. Fixtures are part of the template that databases are cloned from: they run
/// once, however many tests name the same. A folder that is named by many tests is compiled into each; a function that holds
/// the only `embed!` is quicker to build:
///
/// ```text
/// pub fn migrations() -> dunlin::MigrationSet {
///     dunlin::embed!("migrations")
/// }
/// ```
///
/// Migrations that need more than their set come with their migrator, best the one that the service boots with: resources of
/// migrations in Rust, a role, a `search_path`, a history elsewhere. What it says of poolers and direct connections does not
/// count, as those lead to the service's own database; `TestDatabase::fresh` says more.
///
/// ```text
/// pub fn migrator() -> dunlin::Migrator {
///     dunlin::Migrator::new(migrations()).resource(Region("north"))
/// }
///
/// #[dunlin::test(migrations = crate::migrator())]
/// async fn every_bird_has_a_region(client: Client) { ... }
/// ```
///
/// Whatever else stands on the function stays: `#[ignore]`, `#[should_panic]`, `#[cfg(...)]`, `#[allow(...)]`, documentation.
/// Where `use dunlin::test;` is written, `#[test]` means this attribute. Under `use dunlin::*;` it is ambiguous, as under
/// `use tokio::*;`: import names there.
///
/// # When a test fails
///
/// By a panic or an `Err` it keeps its database and prints how to reach it. One that passes, which under `#[should_panic]` is
/// one that panics as expected, hands it back. The same goes for every `TestDatabase` that was made in the body of the test or
/// in what it calls, a fixture of rstest for one: they all live until the test is over, though not those that are made in
/// spawned tasks.
///
/// A test that can't get what it asks for fails, `#[should_panic]` or not.
///
/// When the test is over its tasks end where they await, before the database is handed back. What blocks a thread is waited for,
/// up to 10 seconds.
///
/// # Beside rstest
///
/// `#[rstest]` goes on top, and `#[ignore]` tells it which arguments are not its own:
///
/// ```text
/// #[rstest]
/// #[case("dunlin")]
/// #[case("knot")]
/// #[dunlin::test(migrations = crate::migrations())]
/// async fn a_bird_is_found(#[ignore] client: Client, #[case] name: &str) { ... }
/// ```
///
/// A fixture that needs a database makes it by hand. The database lives until the test is over, so the fixture need not return
/// it:
///
/// ```text
/// #[fixture]
/// async fn store() -> Store {
///     let database = TestDatabase::fresh(&crate::migrations()).await.unwrap();
///     Store::new(database.connect().await.unwrap())
/// }
///
/// #[rstest]
/// #[dunlin::test]
/// async fn a_store_is_empty_at_first(#[future(awt)] store: Store) { ... }
/// ```
///
/// # Errors
///
/// Each mistake is an error of the compiler where it is made: options that don't exist, values that don't fit, files that
/// are missing or that only psql could run, functions that can't be tests, and types that can't be asked for.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(options.into(), item.into()).into()
}

/// Makes a struct what a backfill reads: implements `dunlin_backfill::Row`.
///
/// ```text
/// #[derive(Row)]
/// struct Person {
///     id: i64,
///     last_name: Option<String>,
///     #[row(column = "type")]
///     kind: String,
///     #[row(sql = "(SELECT count(*) FROM orders WHERE orders.person = people.id)")]
///     orders: i64,
///     #[row(skip)]
///     score: Option<f64>,
/// }
/// ```
///
/// A field reads the column of its name: `r#type` that of `type`, and `lastName` one that SQL writes as `"lastName"`. Its type is one
/// that tokio-postgres reads.
///
/// | Attribute | The field holds |
/// |---|---|
/// | `#[row(column = "Type")]` | the column of this name, which is written without quotes of SQL |
/// | `#[row(sql = "lower(email)")]` | what this expression over the source's columns gives |
/// | `#[row(skip)]` | `Default::default()`, until `Backfill::enrich` fills it in |
///
/// A field has one of them at most. The struct may have parameters, of types and constants: it is a row wherever the types of its fields can
/// be read. It has no lifetimes, as rows are kept for longer than what they are read from.
///
/// # Errors
///
/// Each mistake is an error of the compiler where it is made, all at once: options that don't exist, are given twice or exclude each
/// other; names that no column can have; SQL that is empty, is more than one expression or never ends; and types that can't be read.
#[proc_macro_derive(Row, attributes(row))]
pub fn row(item: TokenStream) -> TokenStream {
    derive::Derive::Row.expand(item.into()).into()
}

/// Makes a struct what a backfill writes: implements `dunlin_backfill::Change`.
///
/// ```text
/// #[derive(Change)]
/// struct Named {
///     full_name: String,
///     #[change(column = "type")]
///     kind: &'static str,
///     #[change(cast = "timestamptz")]
///     named_at: Option<String>,
/// }
/// ```
///
/// A field is written to the column of its name, as with `#[derive(Row)]`. Its type is one that tokio-postgres writes.
///
/// | Attribute | |
/// |---|---|
/// | `#[change(column = "Type")]` | the field is written to the column of this name, which is written without quotes of SQL |
/// | `#[change(cast = "timestamptz")]` | for `Write::sql`: what the column of `changes` is, where the source has none of this name |
///
/// The struct may have parameters, of types and constants: it is a change wherever the types of its fields can be written. It has no
/// lifetimes, as changes are kept until they are written. A backfill that deletes has `()` for its change.
///
/// # Errors
///
/// Each mistake is an error of the compiler where it is made, all at once: options that don't exist or are given twice; names that no
/// column can have; a column that two fields write; a type of SQL that is empty or never ends; and types that can't be written.
#[proc_macro_derive(Change, attributes(change))]
pub fn change(item: TokenStream) -> TokenStream {
    derive::Derive::Change.expand(item.into()).into()
}

/// Makes a migration of a backfill: implements `dunlin::RustMigration` beside the `impl Backfill` that it stands on.
///
/// ```text
/// // migrations/0012_full_names.rs
/// pub struct Migration;
///
/// #[dunlin_backfill::migration]
/// impl Backfill for Migration {
///     type Row = Name;
///     type Change = FullName;
///
///     fn source(&self) -> Source { ... }
///
///     fn convert(&self, name: &Name) -> Result<Option<FullName>, RowError> { ... }
/// }
/// ```
///
/// The `impl` stays as it is. The migration has the `REVISION` of the backfill, and can be reverted if there is a `fn down` in the `impl`.
/// It runs outside a transaction, as a backfill has many of its own: when it is killed it goes on where it was. Parameters, `where` clauses
/// and `#[cfg]`s count for both.
///
/// Without it, `embed!` says that `RustMigration` is not implemented for the `Migration` of the file.
///
/// # Errors
///
/// Where it stands on anything but an `impl Backfill for ...`, and where it is given options: it has none.
#[proc_macro_attribute]
pub fn migration(options: TokenStream, item: TokenStream) -> TokenStream {
    migration::expand(options.into(), item.into()).into()
}
