use dunlin_core::Target;

use crate::{
    checks::{CheckError, Checked, Failure, Subject, dump, stage::Stage},
    schema::Schema,
};

const CHECK: &str = "matches";

/// Checks that the sum of the migrations is the schema in a text: a committed `pg_dump --schema-only`, or one that is written by
/// hand. Here the order of columns counts.
///
/// The text is run statement by statement, as `psql` does, on a new empty database; what is read from that is compared with what
/// the migrations make. Statements about owners and privileges are passed over, since neither is compared and the roles
/// may not be there; so are `\restrict`, a `CREATE SCHEMA public`, and settings that this server does not know because the
/// `pg_dump` was of a newer version. dunlin's history may be in the dump or not.
///
/// The dump may be of another version of PostgreSQL, as long as this one understands it.
///
/// ```
/// # use dunlin_core as dunlin;
/// use dunlin::MigrationSet;
/// use dunlin_test::checks;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let set = MigrationSet::builder()
///     .sql(1, "birds", "CREATE TABLE birds (name text)")
///     .sql(2, "wings", "ALTER TABLE birds ADD wings int DEFAULT 2")
///     .build()?;
/// // In a project: include_str!("../schema.sql").
/// let schema = "CREATE TABLE public.birds (name text, wings integer DEFAULT 2);";
///
/// checks::matches(&set, schema).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CheckError`] where they are not the same, where the text has a statement that fails, rows (`COPY ... FROM stdin`) or a
/// command of psql, where the migrations can't be applied, and when there is no server to check on.
///
/// # Cancel safety
/// A drop leaves nothing behind, as that of a [`Database`](crate::Database).
pub async fn matches(subject: impl Into<Subject>, schema_sql: &str) -> Result<Checked, CheckError> {
    let subject = subject.into();
    let fail = |failure| CheckError::failed(CHECK, vec![failure]);
    let stage = Stage::new(&subject).await?;
    if let Err(error) = stage.run(Target::Latest).await? {
        return Err(fail(Failure::of_run(&error, None, "applying the migrations")));
    }
    let made = stage.schema().await?;
    let committed = stage.another().await?;
    let client = committed.connect().await?;
    if let Err(text) = dump::load(&client, schema_sql).await {
        return Err(fail(Failure::new(None, text)));
    }
    // What the dump has set for the session is not the next one's.
    drop(client);
    let diff = Schema::diff(&committed.schema().await?, &made);
    if !diff.is_empty() {
        let text =
            "the migrations do not make the schema of the text (- is in the text, + is what they make):";
        return Err(fail(Failure::new(None, text).with_diff(diff)));
    }
    let mut checked = Checked::default();
    subject.set().iter().for_each(|migration| checked.check(migration.id()));
    Ok(checked)
}
