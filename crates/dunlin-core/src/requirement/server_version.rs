use async_trait::async_trait;

use super::Requirement;
use crate::wire::{text, value};
use crate::{BoxError, Preflight, Unmet};

/// The server is of a version, or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    major: u32,
    minor: u32,
}

impl ServerVersion {
    /// This major version or a later one.
    #[must_use]
    pub fn at_least(major: u32) -> Self {
        Self { major, minor: 0 }
    }

    /// Of that major version this minor one or a later one: 15.4 has what 15.3 has mended.
    #[must_use]
    pub fn minor(mut self, minor: u32) -> Self {
        self.minor = minor;
        self
    }
}

#[async_trait]
impl Requirement for ServerVersion {
    fn name(&self) -> String {
        match self.minor {
            0 => format!("PostgreSQL {} or later", self.major),
            minor => format!("PostgreSQL {}.{minor} or later", self.major),
        }
    }

    async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError> {
        let row = cx
            .row(
                "SELECT current_setting('server_version_num') AS number, \
                 split_part(current_setting('server_version'), ' ', 1) AS version",
            )
            .await?;
        // 150004 is 15.4.
        let wanted = self.major.saturating_mul(10_000).saturating_add(self.minor);
        if value::<u32>(&row, "number").is_some_and(|number| number >= wanted) {
            return Ok(());
        }
        let version = text(&row, "version").unwrap_or("of an unknown version");
        Err(Unmet::new(format!("the server is PostgreSQL {version}")).remedy("upgrade it").into())
    }
}
