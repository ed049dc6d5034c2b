//! The questions of a diagnosis. None writes, and none leaves a setting behind.

use crate::HistoryTable;
use crate::ident::literal;
use crate::lock::{LockKey, OPEN};

/// Transactions of others are told of from this age, in seconds.
const OPEN_FOR: u32 = 5;

/// The settings that a run, or what it guarantees, depends on.
const SETTINGS: [&str; 19] = [
    "client_connection_check_interval",
    "deadlock_timeout",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "fsync",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "row_security",
    "search_path",
    "session_replication_role",
    "statement_timeout",
    "synchronous_commit",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "transaction_timeout",
];

/// Which server process answers: its id may be given out again, so the time it began belongs to it.
const BACKEND: &str =
    "SELECT pg_catalog.concat_ws('/', a.pid, pg_catalog.date_part('epoch', a.backend_start)) AS backend";
const OF_BACKEND: &str = "FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) AS a";

/// The invalid indexes, for the two questions about them.
const INVALID: &str = "FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = x.relnamespace \
     JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS s ON s.oid = t.relnamespace \
     WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND NOT pg_is_other_temp_schema(n.oid)";

/// Which server process answers, and whether the caller is inside a transaction. Safe under any `search_path`.
pub(crate) fn opening() -> String {
    format!("{BACKEND}, {OPEN} {OF_BACKEND}")
}

/// Which server process answers. Safe under any `search_path`.
pub(crate) fn backend() -> String {
    format!("{BACKEND} {OF_BACKEND}")
}

/// Begins a transaction that stays open, and asks the same as [`opening`]. Inside one it changes nothing of it.
pub(crate) fn begin() -> String {
    format!("BEGIN; {}", opening())
}

/// One question as a message of its own. The server takes a message for one transaction, so what is set holds for the
/// question and is gone with its answer, behind a pooler too.
///
/// A table that somebody has locked makes one answer unknown, not the diagnosis late.
pub(crate) fn ask(question: &str) -> String {
    format!(
        "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL lock_timeout = '1s'; SET LOCAL row_security = off; \
         {question}"
    )
}

/// One row: the server and the way to it.
pub(crate) fn server() -> String {
    ask(
        "SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number, \
         current_database() AS database, pg_is_in_recovery() AS standby, \
         current_setting('default_transaction_read_only') = 'on' AS read_only, host(inet_client_addr()) AS client, \
         inet_client_addr() IS NULL OR inet_client_addr() = inet_server_addr() \
         OR inet_client_addr() <<= inet '127.0.0.0/8' OR inet_client_addr() = inet '::1' AS local, \
         (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls, \
         (SELECT encrypted FROM pg_stat_gssapi WHERE pid = pg_backend_pid()) AS gss",
    )
}

/// One row: what the role is and may.
pub(crate) fn role(history: &HistoryTable) -> String {
    ask(&format!(
        "SELECT session_user AS session_role, current_user AS acting_role, \
         (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser, \
         has_database_privilege(current_database(), 'TEMP') AS temporary, \
         has_database_privilege(current_database(), 'CREATE') AS create_schema, \
         n.oid IS NOT NULL AS schema, has_schema_privilege(n.oid, 'CREATE') AS create_table, \
         c.oid IS NOT NULL AS history, pg_get_userbyid(c.relowner) AS owner, \
         pg_has_role(c.relowner, 'MEMBER') AS member, \
         has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS reads_history, \
         has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(h.oid, 'SELECT') AS reads_head, \
         h.oid IS NOT NULL AS head \
         FROM (VALUES (1)) AS one LEFT JOIN pg_namespace AS n ON n.nspname = {} \
         LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = {} \
         LEFT JOIN pg_class AS h ON h.relnamespace = n.oid AND h.relname = {}",
        literal(history.schema().as_str()),
        literal(history.table().as_str()),
        literal(history.head().as_str()),
    ))
}

/// A row for each schema that migrations look in, in order. A row without `everybody` is none. Qualified, since it runs
/// under the path that it is about.
pub(crate) fn path(configured: Option<&str>) -> String {
    let set = configured
        .map(|path| format!("SELECT pg_catalog.set_config('search_path', {}, true); ", literal(path)))
        .unwrap_or_default();
    format!(
        "{set}SELECT s.name, pg_catalog.has_schema_privilege(s.name::pg_catalog.text, 'CREATE') AS own, \
         pg_catalog.has_schema_privilege('public', s.name::pg_catalog.text, 'CREATE') AS everybody \
         FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS s (name, place) ORDER BY s.place"
    )
}

/// A row for each of [`SETTINGS`] that the server has. Qualified, since the path is one of them.
pub(crate) fn settings() -> String {
    format!(
        "SELECT s.name, pg_catalog.current_setting(s.name) AS value, s.source FROM pg_catalog.pg_settings AS s \
         WHERE s.name OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.text[]) ORDER BY s.name",
        SETTINGS.join(",")
    )
}

/// A row for each prepared transaction of the database, the oldest first.
///
/// A lock's virtual transaction is that of the session that prepared it or, after a restart, of nobody: the lock on the
/// transaction's own id has the same one.
pub(crate) fn prepared(key: LockKey) -> String {
    ask(&format!(
        "SELECT p.gid, p.owner, floor(EXTRACT(EPOCH FROM clock_timestamp() - p.prepared)) AS age, \
         EXISTS (SELECT FROM pg_locks AS t JOIN ({}) AS h ON h.virtualtransaction = t.virtualtransaction AND h.pid IS NULL \
         WHERE t.pid IS NULL AND t.locktype = 'transactionid' AND t.transactionid = p.transaction) AS lock \
         FROM pg_prepared_xacts AS p WHERE p.database = current_database() ORDER BY p.prepared, p.gid",
        key.holder()
    ))
}

/// A row for each invalid index. Whoever works on it is known by its locks, which every role may see.
pub(crate) fn indexes() -> String {
    ask(&format!(
        "SELECT format('%I.%I', n.nspname, x.relname) AS index, format('%I.%I', s.nspname, t.relname) AS table_name, \
         i.indisunique AND i.indisready AS rejects, x.relkind = 'I' AS partitioned, NOT i.indislive AS dropping, \
         x.relname ~ '_cc(new|old)[0-9]*$' AS leftover, \
         (SELECT min(l.pid) FROM pg_locks AS l LEFT JOIN pg_stat_progress_create_index AS p ON p.pid = l.pid \
          WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'ShareUpdateExclusiveLock' \
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
          AND (l.relation = i.indexrelid OR l.relation = i.indrelid AND p.pid IS NOT NULL \
           AND (p.index_relid IS NULL OR p.index_relid IN (0, i.indexrelid) OR p.command LIKE 'REINDEX%'))) AS worker \
         {INVALID} ORDER BY 1"
    ))
}

/// Their sizes, which need a lock on each.
pub(crate) fn sizes() -> String {
    ask(&format!(
        "SELECT format('%I.%I', n.nspname, x.relname) AS index, pg_relation_size(x.oid) AS size {INVALID}"
    ))
}

/// A row for each partition whose detaching was begun. Versions before 14 have no such column.
pub(crate) fn detaches() -> String {
    ask(
        "SELECT format('%I.%I', n.nspname, p.relname) AS parent, format('%I.%I', m.nspname, c.relname) AS partition \
         FROM pg_inherits AS h JOIN pg_class AS p ON p.oid = h.inhparent JOIN pg_namespace AS n ON n.oid = p.relnamespace \
         JOIN pg_class AS c ON c.oid = h.inhrelid JOIN pg_namespace AS m ON m.oid = c.relnamespace \
         WHERE to_jsonb(h) ->> 'inhdetachpending' = 'true' ORDER BY 1, 2",
    )
}

/// A row for each publication that the history is, or would be, part of.
pub(crate) fn publications(history: &HistoryTable) -> String {
    let [schema, table, events, head] = [history.schema(), history.table(), history.events(), history.head()]
        .map(|ident| literal(ident.as_str()));
    ask(&format!(
        "SELECT pubname AS name FROM pg_publication WHERE puballtables UNION SELECT pubname FROM pg_publication_tables \
         WHERE schemaname = {schema} AND tablename IN ({table}, {events}, {head}) ORDER BY 1"
    ))
}

/// A row for each subscription of the database, and whether it writes the history.
pub(crate) fn subscriptions(history: &HistoryTable) -> String {
    ask(&format!(
        "SELECT s.subname AS name, EXISTS (SELECT FROM pg_subscription_rel AS r \
         JOIN pg_class AS c ON c.oid = r.srrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE r.srsubid = s.oid AND n.nspname = {} AND c.relname = {}) AS history FROM pg_subscription AS s \
         WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
        literal(history.schema().as_str()),
        literal(history.table().as_str())
    ))
}

/// A row for each transaction of others in the database that has been open for a while, the oldest first; and one with
/// how many sessions the role may not look at. No query text: it has values in it.
pub(crate) fn transactions() -> String {
    ask(&format!(
        "SELECT a.pid, a.usename AS role, a.application_name AS application, a.state, a.backend_xmin IS NOT NULL AS snapshot, \
         floor(EXTRACT(EPOCH FROM clock_timestamp() - a.xact_start)) AS age FROM pg_stat_activity AS a \
         WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() \
         AND a.xact_start < clock_timestamp() - interval '{OPEN_FOR} s' \
         AND a.backend_type NOT IN ('walsender', 'autovacuum worker', 'parallel worker') ORDER BY a.xact_start; \
         SELECT count(*) AS hidden FROM pg_stat_activity WHERE datname = current_database() AND query = '<insufficient privilege>'"
    ))
}
