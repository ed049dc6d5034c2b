use std::sync::Arc;

use dunlin_core::BoxError;
use tokio_postgres::{Client, Config};

use crate::test_database::TestDatabase;

/// What a test of `#[dunlin::test]` may ask for as an argument.
///
/// | Type | What the test gets |
/// |---|---|
/// | [`Client`] | a connection of its own, which runs as a task and ends with the client |
/// | [`Config`] | how to connect |
/// | [`TestDatabase`] | the database: its name, its URL, more connections |
/// | `deadpool_postgres::Pool` | a pool of up to 16 connections; with the feature `deadpool` |
/// | `Arc<T>` | any of these and of your own, shared |
///
/// All arguments of a test are of the same database. Implement it for what your tests need, such as a store or the state of
/// a service, and they ask for that:
///
/// ```
/// use dunlin_test::{BoxError, FromTestDatabase, TestDatabase};
/// use tokio_postgres::Client;
///
/// struct Birds(Client);
///
/// impl FromTestDatabase for Birds {
///     async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
///         Ok(Self(database.connect().await?))
///     }
/// }
///
/// impl Birds {
///     async fn count(&self) -> Result<i64, tokio_postgres::Error> {
///         Ok(self.0.query_one("SELECT count(*) FROM birds", &[]).await?.get(0))
///     }
/// }
/// # let _ = Birds::count;
/// ```
///
/// ```text
/// #[dunlin::test]
/// async fn at_first_there_are_no_birds(birds: Birds) {
///     assert_eq!(birds.count().await.unwrap(), 0);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a test can't ask for `{Self}`",
    label = "not made from a test database",
    note = "a test may ask for a `tokio_postgres::Client`, a `tokio_postgres::Config`, a `dunlin_test::TestDatabase` and, with \
            the feature `deadpool` of dunlin-test, a `deadpool_postgres::Pool`",
    note = "for a type of your own, implement `dunlin_test::FromTestDatabase`"
)]
pub trait FromTestDatabase: Sized {
    /// Makes the argument. Whatever it writes is in the database of this test alone.
    ///
    /// # Errors
    /// Whatever goes wrong; the test fails with its text, and keeps its database.
    ///
    /// # Cancel safety
    /// It is not dropped before its end.
    fn from_test_database(database: &TestDatabase) -> impl Future<Output = Result<Self, BoxError>> + Send;
}

impl FromTestDatabase for Client {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        Ok(database.connect().await?)
    }
}

impl FromTestDatabase for Config {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        Ok(database.config())
    }
}

impl FromTestDatabase for TestDatabase {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        Ok(database.clone())
    }
}

impl<T: FromTestDatabase> FromTestDatabase for Arc<T> {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        Ok(Self::new(T::from_test_database(database).await?))
    }
}

/// Nothing is connected before somebody asks for a connection.
#[cfg(feature = "deadpool")]
impl FromTestDatabase for deadpool_postgres::Pool {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        use deadpool_postgres::{Manager, Pool, Runtime};

        /// The same on every machine: deadpool's own goes by the processors, and a test that holds some connections at once
        /// would wait for ever on a small one. That of a server is 200 or so, for all tests that run.
        const SIZE: usize = 16;

        let manager = Manager::new(database.config(), tokio_postgres::NoTls);
        Ok(Pool::builder(manager).max_size(SIZE).runtime(Runtime::Tokio1).build()?)
    }
}
