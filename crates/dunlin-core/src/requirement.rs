//! What a run may require before it begins; see [`Migrator::requires`](crate::Migrator::requires).
//!
//! | Requirement | Is met when |
//! |---|---|
//! | [`ServerVersion`] | the server is of this version or a later one |
//! | [`Extension`] | the extension is installed, or the migrations' role may create it |
//! | [`Privilege`] | the role may create in the database or in a schema, set a role, or work with a table |
//! | [`FreeConnections`] | the server, the database and the role leave so many connections free |
//! | `FreeDisk` | the file system of the data directory has so much space, where that can be known (feature `disk`) |
//! | [`Check`] | a closure says so |
//!
//! Anything else implements [`Requirement`]. All ready-made ones are asked in one flight.

mod check;
mod extension;
mod free_connections;
#[cfg(all(unix, feature = "disk"))]
mod free_disk;
mod privilege;
mod server_version;

use async_trait::async_trait;

pub use self::check::Check;
pub use self::extension::Extension;
pub use self::free_connections::FreeConnections;
#[cfg(all(unix, feature = "disk"))]
pub use self::free_disk::FreeDisk;
pub use self::privilege::{Privilege, TablePrivilege};
pub use self::server_version::ServerVersion;
use crate::{BoxError, Preflight};

/// Something that has to be true before a run begins.
///
/// ```
/// use dunlin_core::{BoxError, Preflight, Requirement, Unmet};
///
/// /// Nobody migrates while the month is being closed.
/// struct MonthIsOpen;
///
/// #[async_trait::async_trait]
/// impl Requirement for MonthIsOpen {
///     fn name(&self) -> String {
///         "an open month".to_owned()
///     }
///
///     async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError> {
///         let rows = cx.query("SELECT FROM accounting.closings WHERE ended_at IS NULL").await?;
///         match rows.is_empty() {
///             true => Ok(()),
///             false => Err(Unmet::new("the month is being closed").remedy("migrate when that is done").into()),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Requirement: Send + Sync + 'static {
    /// What it is called in errors, as a noun: `PostgreSQL 15 or later`.
    fn name(&self) -> String;

    /// Looks whether it is met. It writes nothing, and is called with all others at the same time.
    ///
    /// # Errors
    ///
    /// Any error means that it is not met, and is told with all others. [`Unmet`](crate::Unmet) says what to do, too; a plain text will
    /// do.
    async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError>;
}
