use std::fmt;
use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;

use super::Requirement;
use crate::{BoxError, Preflight};

/// A requirement that is a closure.
///
/// ```
/// # fn f(set: dunlin_core::MigrationSet) -> dunlin_core::Migrator {
/// use dunlin_core::Migrator;
/// use dunlin_core::requirement::Check;
///
/// Migrator::new(set).requires(Check::new("orders with a total", |cx| {
///     Box::pin(async move {
///         let rows = cx.query("SELECT FROM orders WHERE total IS NULL LIMIT 1").await?;
///         if rows.is_empty() { Ok(()) } else { Err("some have none: run `orders mend-totals`".into()) }
///     })
/// }))
/// # }
/// ```
pub struct Check<F> {
    name: String,
    check: F,
}

impl<F> Check<F>
where
    F: for<'a> Fn(&'a Preflight<'a>) -> Checking<'a> + Send + Sync + 'static,
{
    /// A requirement of this name; `check` is its [`Requirement::check`].
    #[must_use]
    pub fn new(name: impl Into<String>, check: F) -> Self {
        Self { name: name.into(), check }
    }
}

#[async_trait]
impl<F> Requirement for Check<F>
where
    F: for<'a> Fn(&'a Preflight<'a>) -> Checking<'a> + Send + Sync + 'static,
{
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError> {
        (self.check)(cx).await
    }
}

/// A check under way. Whether the future of an async closure can be sent can't be asked for yet, so it is boxed.
type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'a>>;

impl<F> fmt::Debug for Check<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}
