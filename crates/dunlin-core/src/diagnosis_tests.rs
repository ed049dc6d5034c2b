//! What people read of a healthy and of a sick database, and what only time brings about.

use std::time::Duration;

use super::*;
use crate::lock::Holder;
use crate::{HistoryTable, MigrationSet, Migrator, Pooler, Status};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn migrator() -> Migrator {
    Migrator::new(MigrationSet::builder().sql(1, "users", "SELECT 1").build().unwrap())
}

fn setting(name: &str, value: &str, source: &str) -> ServerSetting {
    ServerSetting { name: name.to_owned(), value: value.to_owned(), source: source.to_owned() }
}

fn healthy() -> Facts {
    Facts {
        server: Answer::Known(ServerFacts {
            version: "17.2".to_owned(),
            version_number: 170_002,
            database: "orders".to_owned(),
            standby: false,
            read_only: false,
            encryption: Some("TLSv1.3".to_owned()),
            client_address: Some("10.0.0.7".to_owned()),
            local: false,
        }),
        pooler: PoolerVerdict::NoneSeen,
        role: Answer::Known(RoleFacts {
            session_user: "app".to_owned(),
            current_user: "app".to_owned(),
            superuser: false,
            temporary: true,
            create_history: true,
            history_owner: Some("owner".to_owned()),
            member_of_owner: true,
            read_history: true,
            read_digest: true,
            schema: true,
            digest: true,
        }),
        search_path: Answer::Known(vec![PathSchema {
            name: "public".to_owned(),
            create: true,
            public_create: false,
        }]),
        settings: Answer::Known(vec![
            setting("client_connection_check_interval", "0", "default"),
            setting("deadlock_timeout", "500ms", "configuration file"),
        ]),
        history: HistoryFacts {
            table: HistoryTable::default().to_string(),
            presence: Answer::Known(HistoryPresence::Present),
            standing: Answer::Known(Standing {
                state: crate::State::Current,
                applied: 42,
                pending: 0,
                findings: Vec::new(),
            }),
            refusal: None,
        },
        lock: Answer::Known(None),
        prepared: Answer::Known(Vec::new()),
        indexes: Answer::Known(Vec::new()),
        detaches: Answer::Known(Vec::new()),
        publications: Answer::Known(Vec::new()),
        subscriptions: Answer::Known(Vec::new()),
        transactions: Answer::Known(OpenTransactions { open: Vec::new(), hidden: 0 }),
    }
}

fn diagnosis(facts: Facts) -> Diagnosis {
    judged(facts, Pooler::Session, false)
}

fn judged(facts: Facts, pooler: Pooler, has_direct: bool) -> Diagnosis {
    let expected = Expected {
        history: &HistoryTable::default(),
        deadline: seconds(600),
        role: None,
        pooler,
        has_direct,
    };
    Diagnosis::new(facts, &expected, 3)
}

#[test]
fn a_healthy_database() {
    let diagnosis = diagnosis(healthy());
    assert!(diagnosis.is_healthy());
    insta::assert_snapshot!(diagnosis, @r#"
    database orders: healthy

      server         PostgreSQL 17.2, primary, from 10.0.0.7, TLSv1.3
      pooler         none seen
      role           app, member of owner, which owns the history
      search path    public (may create)
      history        "public"."dunlin_history", current: 42 applied, 0 pending
      lock           free
      transactions   none open for long
      prepared       none
      indexes        all valid
      partitions     all attached
      publications   none
      subscriptions  none
      settings       deadlock_timeout = 500ms (configuration file)
    "#);
}

#[test]
fn a_sick_database() {
    let mut facts = healthy();
    if let Answer::Known(server) = &mut facts.server {
        server.encryption = None;
        server.standby = true;
    }
    facts.pooler = PoolerVerdict::Transaction;
    if let Answer::Known(path) = &mut facts.search_path {
        path[0].public_create = true;
    }
    let prepared = vec![
        PreparedTransaction {
            name: "old".to_owned(),
            owner: "app".to_owned(),
            age: seconds(86_400),
            holds_lock: false,
        },
        PreparedTransaction {
            name: "new".to_owned(),
            owner: "app".to_owned(),
            age: seconds(90),
            holds_lock: true,
        },
    ];
    let holder = Holder { pid: None, application: None, address: None, age: None, query: None };
    facts.lock = Answer::Known(Some(LockHolder::new(holder, &prepared)));
    facts.prepared = Answer::Known(prepared);
    facts.history.standing =
        Answer::Known(Standing::of(Status::new(&migrator().set, Vec::new(), &migrator().rules.policies)));
    let index = |name: &str, kind, rejects_duplicates, worker| InvalidIndex {
        name: format!("public.{name}"),
        table: "public.users".to_owned(),
        kind,
        rejects_duplicates,
        bytes: Some(20 << 20),
        worker,
    };
    facts.indexes = Answer::Known(vec![
        index("users_email_key", InvalidIndexKind::Unfinished, true, None),
        index("users_name_idx_ccnew", InvalidIndexKind::Leftover, false, None),
        index("users_age_idx", InvalidIndexKind::Dropping, false, None),
        index("users_all_idx", InvalidIndexKind::Partitioned, false, None),
        index("users_new_idx", InvalidIndexKind::Unfinished, false, Some(815)),
    ]);
    facts.detaches = Answer::Known(vec![PendingDetach {
        parent: "public.events".to_owned(),
        partition: "public.events_2024".to_owned(),
    }]);
    facts.publications = Answer::Known(vec!["everything".to_owned()]);
    facts.subscriptions =
        Answer::NotKnown("permission denied for table pg_subscription (SQLSTATE 42501)".to_owned());
    facts.transactions = Answer::Known(OpenTransactions {
        open: vec![OpenTransaction {
            pid: 4711,
            role: Some("report".to_owned()),
            application: Some("metabase".to_owned()),
            state: Some("idle in transaction".to_owned()),
            age: seconds(7_300),
            snapshot: true,
        }],
        hidden: 2,
    });
    facts.settings = Answer::Known(vec![
        setting("default_transaction_isolation", "serializable", "database"),
        setting("fsync", "off", "configuration file"),
        setting("lock_timeout", "2s", "database user"),
        setting("session_replication_role", "replica", "client"),
        setting("statement_timeout", "5s", "user"),
        setting("synchronous_commit", "local", "database"),
    ]);
    let diagnosis = diagnosis(facts);
    assert!(!diagnosis.is_healthy());
    insta::assert_snapshot!(diagnosis, @r#"
    database orders: 3 problems, 11 warnings, 7 notes, 1 question without an answer
      problem  the server is a standby, where nothing can be migrated
               -> connect to the primary to migrate
      problem  a pooler in transaction mode stands in between: neither the migration lock nor a setting holds there
               -> connect directly to the server (`Migrator::direct`) or to a session-mode pool, or say so with `Migrator::pooler`
      problem  a prepared transaction `new` of app (90 s old) holds the migration lock, and no run can begin
               -> whoever prepared it ends it with `COMMIT PREPARED 'new'` or `ROLLBACK PREPARED 'new'`
      warning  the connection crosses the network in clear text
               -> connect with TLS, and set `sslmode=require`
      warning  everybody may create in schema "public", which is on the search path: a function or an operator put there runs with the rights of whoever migrates
               -> `REVOKE CREATE ON SCHEMA "public" FROM PUBLIC`
      warning  a prepared transaction `old` of app (24 h old) has been left: it keeps its locks, and holds back vacuum
               -> whoever prepared it ends it with `COMMIT PREPARED 'old'` or `ROLLBACK PREPARED 'old'`
      warning  index public.users_email_key on public.users (20 MB) is invalid; it rejects duplicates all the same
               -> `REINDEX INDEX CONCURRENTLY public.users_email_key`
      warning  index public.users_name_idx_ccnew on public.users (20 MB) is invalid, left behind by a REINDEX CONCURRENTLY
               -> `DROP INDEX CONCURRENTLY public.users_name_idx_ccnew`
      warning  index public.users_age_idx on public.users (20 MB) is invalid, half dropped
               -> `DROP INDEX CONCURRENTLY public.users_age_idx`
      warning  index public.users_all_idx on public.users (20 MB) is invalid: some partition has no part of it
               -> create the index on the partitions that lack it, and `ALTER INDEX .. ATTACH PARTITION` each
      warning  partition public.events_2024 of public.events is half detached
               -> `ALTER TABLE public.events DETACH PARTITION public.events_2024 FINALIZE`, unless a session is still detaching it
      warning  publication "everything" replicates the history "public"."dunlin_history": a subscriber gets its rows without the DDL that they tell of
               -> publish the tables by name, without the history
      warning  a transaction is open for 2 h: pid 4711 of report, application `metabase`, idle in transaction; it holds its locks and back concurrent index builds
               -> wait for it, or end it with `SELECT pg_terminate_backend(4711)`
      warning  session_replication_role is replica: neither triggers nor foreign keys act
               -> reset it for the role that migrates
      note     1 migration is waiting to be applied
               -> migrate
      note     index public.users_new_idx on public.users (20 MB) is invalid, and pid 815 works on it
               -> wait for it
      note     2 timeouts do not hold for migrations: lock_timeout = 2s (role in this database), statement_timeout = 5s (role)
               -> set those of migrations with `Migrator::statement_timeout` or in their headers
      note     transactions are serializable by default, those of migrations are read committed
               -> nothing: a run asks for the level that it needs
      note     fsync is off: a crash of the machine can destroy the database
               -> leave it on but for throw-away servers
      note     synchronous_commit is local: a crash or a failover can lose the last migrations together with their rows
               -> set it to `on` for the role that migrates
      note     the server does not look after its client while it works (it is older than PostgreSQL 14): it keeps the lock of a client that has died until its statement ends
               -> end such a session with `pg_terminate_backend`

      server         PostgreSQL 17.2, standby, from 10.0.0.7, clear text
      pooler         one in transaction mode
      role           app, member of owner, which owns the history
      search path    public (everybody may create)
      history        "public"."dunlin_history", behind: 0 applied, 1 pending
      lock           held by the prepared transaction `new`
      transactions   1 open for long (2 sessions hidden from this role)
      prepared       2
      indexes        5 invalid
      partitions     1 half detached
      publications   everything
      subscriptions  not known: permission denied for table pg_subscription (SQLSTATE 42501)
      settings       default_transaction_isolation = serializable (database)
                     fsync = off (configuration file)
                     lock_timeout = 2s (role in this database)
                     session_replication_role = replica (connection)
                     statement_timeout = 5s (role)
                     synchronous_commit = local (database)
    "#);
}

#[test]
fn a_database_that_tells_nothing() {
    fn not_known<T>() -> Answer<T> {
        Answer::NotKnown("permission denied (SQLSTATE 42501)".to_owned())
    }
    let mut history = healthy().history;
    history.presence = not_known();
    history.standing = not_known();
    let diagnosis = diagnosis(Facts {
        server: not_known(),
        pooler: PoolerVerdict::NotKnown("that takes a second connection".to_owned()),
        role: not_known(),
        search_path: not_known(),
        settings: not_known(),
        history,
        lock: not_known(),
        prepared: not_known(),
        indexes: not_known(),
        detaches: not_known(),
        publications: not_known(),
        subscriptions: not_known(),
        transactions: not_known(),
    });
    insta::assert_snapshot!(diagnosis, @r#"
    no problem found, 12 questions without an answer

      server         not known: permission denied (SQLSTATE 42501)
      pooler         not known: that takes a second connection
      role           not known: permission denied (SQLSTATE 42501)
      search path    not known: permission denied (SQLSTATE 42501)
      history        "public"."dunlin_history", not known: permission denied (SQLSTATE 42501)
      lock           not known: permission denied (SQLSTATE 42501)
      transactions   not known: permission denied (SQLSTATE 42501)
      prepared       not known: permission denied (SQLSTATE 42501)
      indexes        not known: permission denied (SQLSTATE 42501)
      partitions     not known: permission denied (SQLSTATE 42501)
      publications   not known: permission denied (SQLSTATE 42501)
      subscriptions  not known: permission denied (SQLSTATE 42501)
      settings       not known: permission denied (SQLSTATE 42501)
    "#);
}

#[test]
fn a_holder_that_has_been_there_longer_than_a_run_waits() {
    let holder = Holder {
        pid: Some(4711),
        application: Some("orders 1.4".to_owned()),
        address: None,
        age: Some(7_200),
        query: Some("CREATE TABLE a (note text DEFAULT '; b')".to_owned()),
    };
    let holder = LockHolder::new(holder, &[]);
    insta::assert_snapshot!(holder.finding(seconds(600)).unwrap(), @"the holder of the migration lock has been connected for longer than a run waits (10 min): pid 4711, application `orders 1.4`, local, connected for 7200 s, last statement `CREATE TABLE a (note text DEFAULT '; b')`: wait for it, or end it with `SELECT pg_terminate_backend(4711)`");
    assert_eq!(holder.finding(seconds(8_000)).unwrap().severity(), Severity::Note);
}

#[test]
fn a_prepared_transaction_that_may_not_be_looked_at() {
    let holder = Holder { pid: None, application: None, address: None, age: None, query: None };
    let finding = LockHolder::new(holder, &[]).finding(seconds(600)).unwrap();
    assert_eq!(finding.severity(), Severity::Problem);
    insta::assert_snapshot!(finding, @"a prepared transaction holds the migration lock, and no run can begin: see pg_prepared_xacts, and end it with `ROLLBACK PREPARED`");
}

#[test]
fn findings_come_with_the_worst_first() {
    let mut facts = healthy();
    facts.settings = Answer::Known(vec![setting("session_replication_role", "replica", "user")]);
    facts.pooler = PoolerVerdict::Statement;
    let severities: Vec<_> = diagnosis(facts).findings().iter().map(DiagnosisFinding::severity).collect();
    assert_eq!(severities, [Severity::Problem, Severity::Warning, Severity::Note]);
}

#[test]
fn a_pooler_that_the_migrator_knows_of_is_no_problem() {
    for (verdict, pooler, has_direct, is_healthy) in [
        (PoolerVerdict::Transaction, Pooler::Session, false, false),
        (PoolerVerdict::Transaction, Pooler::Transaction, false, true),
        (PoolerVerdict::Transaction, Pooler::Session, true, true),
        (PoolerVerdict::Statement, Pooler::Transaction, false, false),
        (PoolerVerdict::Statement, Pooler::Session, true, true),
    ] {
        let diagnosis = judged(Facts { pooler: verdict, ..healthy() }, pooler, has_direct);
        assert_eq!(diagnosis.is_healthy(), is_healthy, "{diagnosis}");
        assert_eq!(diagnosis.findings().len(), 1, "{diagnosis}");
    }
}
