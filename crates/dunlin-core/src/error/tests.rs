//! The text of each kind that needs no server; those of migrations that fail are in the integration tests.

use super::*;

fn lost() -> tokio_postgres::Error {
    tokio_postgres::Error::__private_api_timeout()
}

fn id() -> MigrationId {
    MigrationId::new(7, "split_names")
}

#[test]
fn connections() {
    insta::assert_debug_snapshot!(Error::connect(lost()), @r"
    can't connect to PostgreSQL: check the address, the credentials and that the server runs
      caused by: timeout waiting for server
    ");
    let error = Error::database("reading the history", lost());
    assert_eq!(error.kind(), ErrorKind::Connection);
    insta::assert_snapshot!(error, @"the connection was lost (reading the history): the history says what was done, run again to go on");
    insta::assert_snapshot!(Error::no_connection("the pool is closed"), @"can't connect to PostgreSQL: check the address, the credentials and that the server runs");
}

#[test]
fn builds_and_targets() {
    let files = vec!["0008_b.sql".to_owned(), "0009_c.rs".to_owned()];
    insta::assert_snapshot!(Error::stale_build("/app/migrations", files), @"stale build: `/app/migrations` holds `0008_b.sql`, `0009_c.rs`, added after this program was built: build it again (a build.rs that prints `cargo::rerun-if-changed=migrations` makes cargo notice)");
    let set = MigrationSet::builder().sql(1, "a", "SELECT 1").sql(7, "b", "SELECT 1").build().unwrap();
    insta::assert_snapshot!(Error::unknown_version(8, &set), @"there is no migration of version 8: the set goes from 1 to 7");
    insta::assert_snapshot!(Error::too_far(Target::Relative(-3), 2), @"target -3 asks for more migrations than there are: 2 in that direction");
}

#[test]
fn locks() {
    let holder = Holder {
        pid: Some(4711),
        application: Some("orders 1.4".to_owned()),
        address: Some("10.0.0.7".to_owned()),
        age: Some(65),
        query: Some("CREATE INDEX\n  CONCURRENTLY".to_owned()),
    };
    let error = |holder| Error::lock_timeout(Duration::from_secs(60), holder);
    insta::assert_snapshot!(error(Some(holder)), @"another runner has held the migration lock for the whole deadline of 60.0s: pid 4711, application `orders 1.4`, 10.0.0.7, connected for 65 s, last statement `CREATE INDEX CONCURRENTLY`; wait for it, or end it with `SELECT pg_terminate_backend(4711)`");
    let prepared = Holder { pid: None, application: None, address: None, age: None, query: None };
    insta::assert_snapshot!(error(Some(prepared)), @"another runner has held the migration lock for the whole deadline of 60.0s: it is a prepared transaction, see pg_prepared_xacts and end it with ROLLBACK PREPARED");
    insta::assert_snapshot!(error(None), @"another runner has held the migration lock for the whole deadline of 60.0s, and has gone since: run again");
    insta::assert_snapshot!(Error::lock_lost(), @"the migration lock is not held by this connection any more: a migration has released it, or a pooler stands in between; run again");
}

#[test]
fn verification_and_code() {
    let failures = vec!["1 (a) at a.verify.sql:1:1: it returned false: `SELECT false`".to_owned()];
    insta::assert_snapshot!(Error::verification(3, failures), @"1 of 3 migrations do not verify: 1 (a) at a.verify.sql:1:1: it returned false: `SELECT false`");
    let of_code = Error::verify_code(id(), "3 rows are left".into()).reason();
    insta::assert_snapshot!(Error::verification(3, vec![of_code]), @"1 of 3 migrations do not verify: 7 (split_names): its Rust code says so: 3 rows are left");
    let error = Error::code_failed(id(), Direction::Down, "no bucket".into());
    assert_eq!((error.kind(), error.migration()), (ErrorKind::Migration, Some(&id())));
    insta::assert_debug_snapshot!(error, @r"
    reverting migration 7 (split_names) failed in its Rust code; nothing of it remains: mend it and run again
      caused by: no bucket
    ");
    let error = Error::not_recorded(&HistoryTable::default(), &id());
    insta::assert_snapshot!(error, @r#"the history "public"."dunlin_history" lost the row of migration 7 (split_names) while it ran: somebody else writes it"#);
}

#[test]
fn an_error_is_one_pointer_wide_and_can_be_sent() {
    fn sent<T: Send + Sync + 'static>() {}
    sent::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}
