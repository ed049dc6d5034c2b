//! What is said to the maintenance database: locks, comments, CREATE and DROP.

use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::names::Names;

/// Of an advisory lock's key: the library's own, so that nobody else's lock is taken for one.
const SEED: i64 = 0x64_75_6e_6c_69_6e;

/// The first words of the comment on a database that somebody may want to look at.
pub(crate) const KEPT: &str = "kept by dunlin-test";

/// What a home is like.
#[derive(Clone, Debug)]
pub(crate) struct HomeFacts {
    pub(crate) names: Names,
    /// Another one after each crash of the server.
    pub(crate) epoch: u32,
    pub(crate) can_create: bool,
    /// Whether PostgreSQL counts what is changed, and does so before a session has ended (15 and later), and lets this role
    /// put rows back.
    pub(crate) has_counters: bool,
}

/// When all counters began anew, as a number: a crash resets those of the whole server.
pub(crate) const EPOCH: &str =
    "(SELECT coalesce(hashtext(extract(epoch FROM stats_reset)::text), 0) FROM pg_stat_bgwriter)";

/// Lets a session live and wait for as long as it takes, whatever the server or the role is set to.
pub(crate) async fn without_timeouts(client: &Client, version_num: u32) -> Result<(), tokio_postgres::Error> {
    let names = [
        (0, "statement_timeout"),
        (0, "lock_timeout"),
        (140_000, "idle_session_timeout"),
        (170_000, "transaction_timeout"),
    ];
    let known = names.iter().filter(|(since, _)| version_num >= *since);
    let sql: String = known.map(|(_, name)| format!("SET {name} = 0; ")).collect();
    client.batch_execute(&sql).await
}

pub(crate) async fn facts(client: &Client, version_num: u32) -> Result<HomeFacts, tokio_postgres::Error> {
    // Who restores rows holds triggers and foreign keys off.
    let may_restore = if version_num >= 150_000 {
        "has_parameter_privilege('session_replication_role', 'SET')"
    } else {
        "false"
    };
    let sql = format!(
        "SELECT (hashtext(concat(d.oid, ' ', current_user))::bigint & 4294967295)::text, {EPOCH}::text, \
               CASE WHEN r.rolcreatedb OR r.rolsuper THEN 1 ELSE 0 END::text, \
               CASE WHEN {may_restore} AND current_setting('track_counts')::bool THEN 1 ELSE 0 END::text \
               FROM pg_database AS d, pg_roles AS r \
               WHERE d.datname = current_database() AND r.rolname = current_user"
    );
    let rows = rows(client, &sql).await?;
    let text = |index| rows.first().and_then(|row| row.get(index)).unwrap_or_default();
    let epoch = text(1).parse().map(i32::cast_unsigned).unwrap_or_default();
    Ok(HomeFacts {
        names: Names::new(text(0).parse().unwrap_or_default(), epoch),
        epoch,
        can_create: text(2) == "1",
        has_counters: text(3) == "1",
    })
}

/// Takes the lock that says that somebody alive has the database; `false` if somebody else has it.
pub(crate) async fn try_lock(client: &Client, name: &str) -> Result<bool, tokio_postgres::Error> {
    let rows = rows(client, &format!("SELECT pg_try_advisory_lock({})", key(name))).await?;
    Ok(rows.first().and_then(|row| row.get(0)) == Some("t"))
}

/// Waits for the lock.
pub(crate) async fn lock(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    lock_key(client, &key(name)).await
}

/// Keeps others from taking over a database that this client is about to drop: the server does so even when the client, and with
/// it the one that has the lock, has died meanwhile.
pub(crate) async fn condemn(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    lock_key(client, &last_key(name)).await
}

/// The database that was condemned is gone.
pub(crate) async fn is_gone(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("SELECT pg_advisory_unlock({})", last_key(name))).await
}

async fn lock_key(client: &Client, key: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("SELECT pg_advisory_lock({key})")).await
}

pub(crate) async fn unlock(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("SELECT pg_advisory_unlock({})", key(name))).await
}

/// Takes over a database whose name begins like this and whose owner has died, apart from ours: a lock is granted to who has
/// it already. One that the server is still about to drop for its owner is left to that.
pub(crate) async fn adopt(
    client: &Client,
    prefix: &str,
    ours: &[String],
) -> Result<Option<String>, tokio_postgres::Error> {
    let ours: Vec<String> = ours.iter().map(|name| literal(name)).collect();
    let ours = ours.join(", ");
    let sql = format!(
        "WITH free AS MATERIALIZED (\
           SELECT d.oid, d.datname FROM pg_catalog.pg_database AS d \
           WHERE starts_with(d.datname, {prefix}) AND d.datname <> ALL (ARRAY[{ours}]::text[]) \
           AND shobj_description(d.oid, 'pg_database') IS NULL) \
         SELECT datname FROM free WHERE CASE WHEN pg_try_advisory_lock({key}) THEN \
           CASE WHEN pg_try_advisory_lock({last}) THEN pg_advisory_unlock({last}) \
           ELSE NOT pg_advisory_unlock({key}) END END LIMIT 1",
        prefix = literal(prefix),
        key = key_of("datname"),
        last = last_key_of("datname"),
    );
    let rows = rows(client, &sql).await?;
    Ok(rows.first().and_then(|row| row.get(0)).map(str::to_owned))
}

/// How many databases there are whose name begins like this and that nobody alive has.
pub(crate) async fn free(client: &Client, prefix: &str) -> Result<usize, tokio_postgres::Error> {
    // An advisory lock's key of 64 bits is shown in two halves.
    let sql = format!(
        "SELECT count(*)::text FROM pg_catalog.pg_database AS d \
         WHERE starts_with(d.datname, {prefix}) AND shobj_description(d.oid, 'pg_database') IS NULL \
         AND {key} NOT IN (SELECT (l.classid::bigint << 32) | l.objid::bigint FROM pg_catalog.pg_locks AS l \
           WHERE l.locktype = 'advisory' AND l.objsubid = 1 \
           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))",
        prefix = literal(prefix),
        key = key_of("d.datname"),
    );
    let rows = rows(client, &sql).await?;
    Ok(rows.first().and_then(|row| row.get(0)?.parse().ok()).unwrap_or_default())
}

/// What a test has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Database,
    Schema,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Database => "DATABASE",
            Self::Schema => "SCHEMA",
        }
    }

    /// Drops it, with everybody or everything in it. Names of ours need no quotes.
    pub(crate) fn drop(self, name: &str) -> String {
        let all = match self {
            Self::Database => "WITH (FORCE)",
            Self::Schema => "CASCADE",
        };
        format!("DROP {} IF EXISTS \"{name}\" {all}", self.as_str())
    }
}

/// One of this home's databases, or of its schemas.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) is_template: bool,
    pub(crate) comment: Option<String>,
}

/// All databases and schemas whose names begin as ours do.
pub(crate) async fn list(client: &Client, names: &Names) -> Result<Vec<Listed>, tokio_postgres::Error> {
    let [templates, tests] = names.prefixes().map(|prefix| literal(&prefix));
    let sql = format!(
        "SELECT datname, datistemplate, left(shobj_description(oid, 'pg_database'), 1000) FROM pg_catalog.pg_database \
         WHERE starts_with(datname, {templates}) OR starts_with(datname, {tests}) \
         UNION ALL SELECT nspname, NULL, left(obj_description(oid, 'pg_namespace'), 1000) FROM pg_catalog.pg_namespace \
         WHERE starts_with(nspname, {tests}) ORDER BY 1"
    );
    let listed = |row: &SimpleQueryRow| Listed {
        kind: if row.get(1).is_some() { Kind::Database } else { Kind::Schema },
        name: row.get(0).unwrap_or_default().to_owned(),
        is_template: row.get(1) == Some("t"),
        comment: row.get(2).map(str::to_owned),
    };
    Ok(rows(client, &sql).await?.iter().map(listed).collect())
}

/// The comment on a template that is complete.
pub(crate) async fn sealed(client: &Client, name: &str) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = format!(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database \
         WHERE datname = {} AND datistemplate AND NOT datallowconn",
        literal(name)
    );
    let rows = rows(client, &sql).await?;
    Ok(rows.first().map(|row| row.get(0).unwrap_or_default().to_owned()))
}

/// How a database is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Before PostgreSQL 15 there is no choice.
    Default,
    /// Through the write-ahead log: no checkpoint, which is dear with `fsync`.
    WalLog,
    /// File by file between two checkpoints, which cost next to nothing without `fsync`.
    FileCopy,
    /// The same on a file system that shares blocks between files (PostgreSQL 18 on XFS, Btrfs, ZFS or APFS).
    FileClone,
}

impl Strategy {
    fn clause(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::WalLog => " STRATEGY WAL_LOG",
            Self::FileCopy | Self::FileClone => " STRATEGY FILE_COPY",
        }
    }
}

pub(crate) async fn create(
    client: &Client,
    name: &str,
    template: &str,
    strategy: Strategy,
) -> Result<(), tokio_postgres::Error> {
    let create = format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"{}", strategy.clause());
    if strategy != Strategy::FileClone {
        return client.batch_execute(&create).await;
    }
    client.batch_execute("SET file_copy_method = clone").await?;
    let created = client.batch_execute(&create).await;
    client.batch_execute("RESET file_copy_method").await?;
    created
}

/// Drops a database with everybody in it, or a schema with everything.
pub(crate) async fn drop(client: &Client, kind: Kind, name: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&kind.drop(name)).await
}

pub(crate) async fn create_schema(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("CREATE SCHEMA \"{name}\"")).await
}

/// Takes what protects a template from it, then drops it.
pub(crate) async fn drop_template(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    let there =
        rows(client, &format!("SELECT FROM pg_catalog.pg_database WHERE datname = {}", literal(name)))
            .await?;
    if !there.is_empty() {
        client.batch_execute(&format!("ALTER DATABASE \"{name}\" IS_TEMPLATE false")).await?;
    }
    drop(client, Kind::Database, name).await
}

pub(crate) async fn comment(
    client: &Client,
    kind: Kind,
    name: &str,
    text: &str,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("COMMENT ON {} \"{name}\" IS {}", kind.as_str(), literal(text))).await
}

/// Makes a template of a database that is complete: nobody gets in any more, as one session would hold up each copy.
pub(crate) async fn seal(client: &Client, name: &str, comment: &str) -> Result<(), tokio_postgres::Error> {
    self::comment(client, Kind::Database, name, comment).await?;
    client
        .batch_execute(&format!("ALTER DATABASE \"{name}\" WITH ALLOW_CONNECTIONS false IS_TEMPLATE true"))
        .await
}

/// How many sessions there are in a database.
pub(crate) async fn sessions(client: &Client, name: &str) -> Result<u32, tokio_postgres::Error> {
    let sql = format!(
        "SELECT pg_stat_get_db_numbackends(oid)::text FROM pg_catalog.pg_database WHERE datname = {}",
        literal(name)
    );
    let rows = rows(client, &sql).await?;
    Ok(rows.first().and_then(|row| row.get(0)?.parse().ok()).unwrap_or_default())
}

/// The rows of a simple query: it leaves no prepared statement.
pub(crate) async fn rows(client: &Client, sql: &str) -> Result<Vec<SimpleQueryRow>, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(row).collect())
}

/// A text as SQL has it, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

fn key(name: &str) -> String {
    key_of(&literal(name))
}

fn last_key(name: &str) -> String {
    last_key_of(&literal(name))
}

fn key_of(name: &str) -> String {
    format!("hashtextextended({name}, {SEED})")
}

/// The key of the lock under which a database is dropped.
fn last_key_of(name: &str) -> String {
    format!("hashtextextended({name}, {})", SEED + 1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{server::Server, session};

    #[tokio::test]
    async fn a_database_that_is_about_to_be_dropped_is_not_taken_over_though_its_owner_has_died() {
        let server = Server::builder().setting("cluster_name", "home").start().await.unwrap();
        let connect = async || session::connect(&server.config()).await.unwrap();
        let (maker, other) = (connect().await, connect().await);
        create(&maker, "left_1", "template0", Strategy::Default).await.unwrap();
        condemn(&maker, "left_1").await.unwrap();

        let all = |rows: Vec<SimpleQueryRow>| rows.len();
        for _ in 0..2 {
            assert_eq!(adopt(&other, "left_", &[]).await.unwrap(), None);
        }
        let held = "SELECT FROM pg_locks WHERE locktype = 'advisory'";
        assert_eq!(all(rows(&maker, held).await.unwrap()), 1, "who asks leaves no lock");
        std::mem::drop(maker);
        let began = Instant::now();
        while all(rows(&other, held).await.unwrap()) > 0 {
            assert!(began.elapsed() < Duration::from_secs(30), "the lock outlives its session");
        }

        assert_eq!(adopt(&other, "left_", &[]).await.unwrap().as_deref(), Some("left_1"));
        assert_eq!(all(rows(&other, held).await.unwrap()), 1, "its sign of life alone");
    }
}
