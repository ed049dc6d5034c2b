use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use dunlin_script::{Diagnostic, Role, Script};

use crate::{BoxError, Checksum, Context, Error, Migration, MigrationId, TransactionMode};

/// A migration that is SQL text and nothing else.
///
/// The texts are checked as [`embed!`] checks files: transaction control, statements that can't run in a
/// transaction, unknown directives and the like are errors here, before anything runs.
///
/// ```
/// use dunlin_core::SqlMigration;
///
/// let migration = SqlMigration::new(1, "create_users", "CREATE TABLE users (id bigint PRIMARY KEY)")?
///     .with_down("DROP TABLE users")?
///     .with_verify("SELECT count(*) = 0 FROM users")?;
/// assert!(SqlMigration::new(2, "half", "COMMIT").is_err());
/// # Ok::<(), dunlin_core::Error>(())
/// ```
///
/// [`embed!`]: https://docs.rs/dunlin/latest/dunlin/macro.embed.html
#[derive(Clone, Debug)]
pub struct SqlMigration {
    id: MigrationId,
    up: SqlScript,
    down: Option<SqlScript>,
    verify: Option<SqlScript>,
}

impl SqlMigration {
    /// A migration from the text of its `up` script, which may start with `-- dunlin:` directives.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Script`](crate::ErrorKind::Script) with every problem in the text.
    pub fn new(version: i64, name: impl Into<String>, up: impl AsRef<str>) -> Result<Self, Error> {
        let id = MigrationId::new(version, name);
        let up = SqlScript::parse(&id, Role::Up, up.as_ref())?;
        Ok(Self { id, up, down: None, verify: None })
    }

    /// Adds the script that undoes it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Script`](crate::ErrorKind::Script) with every problem in the text.
    pub fn with_down(mut self, down: impl AsRef<str>) -> Result<Self, Error> {
        self.down = Some(SqlScript::parse(&self.id, Role::Down, down.as_ref())?);
        Ok(self)
    }

    /// Adds the script that verifies it: it passes when every statement succeeds and every boolean that it returns
    /// is true.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Script`](crate::ErrorKind::Script) with every problem in the text.
    pub fn with_verify(mut self, verify: impl AsRef<str>) -> Result<Self, Error> {
        self.verify = Some(SqlScript::parse(&self.id, Role::Verify, verify.as_ref())?);
        Ok(self)
    }

    /// Whether it says how to verify it.
    #[must_use]
    pub fn has_verify(&self) -> bool {
        self.verify_script().is_some()
    }

    pub(crate) fn from_scripts(
        id: MigrationId,
        up: SqlScript,
        down: Option<SqlScript>,
        verify: Option<SqlScript>,
    ) -> Self {
        Self { id, up, down, verify }
    }

    pub(crate) fn up_script(&self) -> &SqlScript {
        &self.up
    }

    pub(crate) fn down_script(&self) -> Option<&SqlScript> {
        self.down.as_ref()
    }

    pub(crate) fn verify_script(&self) -> Option<&SqlScript> {
        self.verify.as_ref()
    }
}

#[async_trait]
impl Migration for SqlMigration {
    fn id(&self) -> &MigrationId {
        &self.id
    }

    fn checksum(&self) -> Checksum {
        self.up.checksum.clone()
    }

    fn transaction(&self) -> TransactionMode {
        self.up.transaction
    }

    fn is_reversible(&self) -> bool {
        self.down.is_some()
    }

    fn lock_timeout(&self) -> Option<Duration> {
        self.up.lock_timeout
    }

    fn required_backfills(&self) -> Vec<&str> {
        self.up.required_backfills.iter().map(String::as_str).collect()
    }

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute(&self.up.text).await?)
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        match &self.down {
            Some(down) => Ok(cx.client().batch_execute(&down.text).await?),
            None => Err("the migration has no down script".into()),
        }
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        match &self.verify {
            Some(verify) => Ok(cx.client().batch_execute(&verify.text).await?),
            None => Ok(()),
        }
    }

    fn as_sql(&self) -> Option<&SqlMigration> {
        Some(self)
    }
}

/// One script of a SQL migration: its normalised text and what its header says.
#[derive(Clone, Debug)]
pub(crate) struct SqlScript {
    pub(crate) file: Cow<'static, str>,
    pub(crate) text: Cow<'static, str>,
    pub(crate) checksum: Checksum,
    pub(crate) transaction: TransactionMode,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) required_backfills: Vec<String>,
}

impl SqlScript {
    fn parse(id: &MigrationId, role: Role, text: &str) -> Result<Self, Error> {
        let suffix = match role {
            Role::Down => "down.sql",
            Role::Verify => "verify.sql",
            _ => "up.sql",
        };
        let file = format!("{}_{}.{suffix}", id.version(), id.name());
        match Script::parse(text.as_bytes(), role) {
            Ok(script) => Ok(Self::from_script(file, &script)),
            Err(problems) => {
                let diagnostics = problems.iter().map(|problem| Diagnostic::of_problem(&file, problem));
                Err(Error::script(id.clone(), diagnostics.collect()))
            }
        }
    }

    pub(crate) fn from_script(file: String, script: &Script) -> Self {
        let checksums = script.checksums();
        let directives = script.directives();
        Self {
            file: file.into(),
            text: script.text().to_owned().into(),
            checksum: Checksum::Sql { raw: checksums.raw(), tokens: checksums.tokens() },
            transaction: directives.transaction(),
            lock_timeout: directives.lock_timeout(),
            statement_timeout: directives.statement_timeout(),
            required_backfills: directives.required_backfills().to_vec(),
        }
    }
}
