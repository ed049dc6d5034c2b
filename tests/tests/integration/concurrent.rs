//! Concurrent statements that are interrupted: cancelled, terminated, timed out, in a deadlock.

use std::time::Duration;

use dunlin::{Migrator, Progress, Target};

use crate::scene::{ENDS, End, INDEXED, NOTE, PARTITIONED, READER, SNAPSHOT, Scene, TABLE, WRITER};
use crate::support::{history, outside, run, texts, valid};

#[tokio::test]
async fn f31_an_index_whose_build_is_cancelled_is_gone_at_once_and_built_by_the_next_run() {
    let statement = "CREATE INDEX CONCURRENTLY a_id ON a (id)";
    for blocker in [WRITER, SNAPSHOT] {
        let scene = Scene::new(TABLE).await;
        scene.block(blocker).await;
        match blocker {
            SNAPSHOT => drop(scene.interrupt(statement, End::Cancelled).await),
            _ => scene.interrupt_and_release(statement).await,
        }
        assert_eq!(scene.invalid().await, Vec::<String>::new());
        scene.again(statement).await;
        assert_eq!(valid(&scene.client, "a_id").await, Some(true));
    }
}

#[tokio::test]
async fn f31_an_index_whose_build_is_terminated_is_built_anew_by_the_next_run() {
    let statement = "CREATE INDEX CONCURRENTLY a_id ON a (id)";
    for blocker in [WRITER, SNAPSHOT] {
        let scene = Scene::new(TABLE).await;
        scene.block(blocker).await;
        scene.interrupt(statement, End::Terminated).await;
        assert_eq!(scene.invalid().await, ["a_id"]);
        scene.again(statement).await;
        assert_eq!(valid(&scene.client, "a_id").await, Some(true));
    }
}

#[tokio::test]
async fn f32_a_unique_index_that_is_cancelled_rejects_no_writes() {
    let scene = Scene::new(TABLE).await;
    scene.block(SNAPSHOT).await;
    let statement = "CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)";
    let running = scene.begin(statement).await;
    let pid = scene.waiting(statement).await;
    // It waits for snapshots and is enforced already.
    let twice = "INSERT INTO a VALUES (1)";
    assert_eq!(scene.client.execute(twice, &[]).await.unwrap_err().code().unwrap().code(), "23505");
    scene.end(End::Cancelled, pid).await;
    running.await.unwrap().unwrap_err();
    scene.client.execute(twice, &[]).await.unwrap();
    scene.client.execute("DELETE FROM a WHERE id = 1", &[]).await.unwrap();
    scene.again(statement).await;
}

#[tokio::test]
async fn f31_an_index_in_a_deadlock_is_dropped_and_built_again_in_the_same_run() {
    let scene = Scene::new(TABLE).await;
    // It is the build that notices the deadlock.
    scene.block("SET deadlock_timeout = '60s'; BEGIN; INSERT INTO a VALUES (4)").await;
    let running = scene.begin("SET deadlock_timeout = '4s'; CREATE INDEX CONCURRENTLY a_id ON a (id)").await;
    scene.waiting("CREATE INDEX%").await;
    scene.block("LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE").await;
    scene.waiting("%LOCK TABLE ONLY%").await;
    scene.release().await;
    let report = running.await.unwrap().unwrap();
    assert_eq!(report.retries(), 1);
    assert_eq!(valid(&scene.client, "a_id").await, Some(true));
    assert_eq!(scene.invalid().await, Vec::<String>::new());
}

#[tokio::test]
async fn f31_what_can_not_be_cleaned_up_in_time_is_said_and_goes_with_the_next_run() {
    let scene = Scene::new(TABLE).await;
    scene.block(WRITER).await;
    let statement = "-- dunlin: statement-timeout = 300ms\nCREATE INDEX CONCURRENTLY a_id ON a (id)";
    let error = scene.run(statement).await.unwrap_err();
    insta::assert_snapshot!(error, @"migration 1 (m1) failed at 1_m1.up.sql:3:1: canceling statement due to statement timeout (SQLSTATE 57014); the invalid index public.a_id stays: the next run drops it; 0 of its 1 statements are done: mend statement 1 and run again, which goes on there");
    assert_eq!(scene.invalid().await, ["a_id"]);
    scene.again(statement).await;
    assert_eq!(valid(&scene.client, "a_id").await, Some(true));
}

#[tokio::test]
async fn f31_a_build_that_somebody_is_at_is_not_taken_for_one_that_was_interrupted() {
    let scene = Scene::new(TABLE).await;
    scene.block(SNAPSHOT).await;
    let theirs = scene.database.connect().await.unwrap();
    let theirs =
        tokio::spawn(async move { theirs.batch_execute("CREATE INDEX CONCURRENTLY a_id ON a (name)").await });
    scene.waiting("CREATE INDEX CONCURRENTLY a_id ON a (name)").await;
    let ours = scene.begin("CREATE INDEX CONCURRENTLY a_id ON a (id)").await;
    scene.waiting("%LOCK TABLE%").await;
    scene.release().await;
    theirs.await.unwrap().unwrap();
    let error = ours.await.unwrap().unwrap_err();
    insta::assert_snapshot!(error, @r#"migration 1 (m1) failed at 1_m1.up.sql:2:1: relation "a_id" already exists (SQLSTATE 42P07); the table has an index public.a_id already, `CREATE INDEX a_id ON public.a USING btree (name)`: drop it if it is in the way, or choose another name; 0 of its 1 statements are done: mend statement 1 and run again, which goes on there"#);
    assert_eq!(valid(&scene.client, "a_id").await, Some(true));
}

#[tokio::test]
async fn f31_cleaning_up_leaves_a_build_of_somebody_elses_alone() {
    let scene = Scene::new(TABLE).await;
    let theirs = "CREATE INDEX CONCURRENTLY a_id ON a (name)";
    let ours = "CREATE INDEX CONCURRENTLY a_id ON a (id)";
    scene.block("BEGIN; LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE").await;
    // Theirs is first in line, and ours has looked before there was an index.
    let (builder, writer) =
        (scene.database.connect().await.unwrap(), scene.database.connect().await.unwrap());
    let building = tokio::spawn(async move { builder.batch_execute(theirs).await });
    scene.waiting(theirs).await;
    let running = scene.begin(ours).await;
    let pid = scene.waiting(ours).await;
    writer.batch_execute(WRITER).await.unwrap();
    scene.release().await;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while scene.invalid().await != ["a_id"] {
        assert!(std::time::Instant::now() < deadline, "theirs does not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Ours is given up while theirs goes on.
    scene.end(End::Cancelled, pid).await;
    // Longer than it takes to notice a deadlock: from now on it would be theirs that ends in one.
    scene.waiting_for("%LOCK TABLE%", Duration::from_millis(1500)).await;
    writer.batch_execute("ROLLBACK").await.unwrap();
    building.await.unwrap().unwrap();
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014", "{error}");
    assert!(error.to_string().contains("the table has an index public.a_id already"), "{error}");
    assert_eq!(valid(&scene.client, "a_id").await, Some(true));
}

#[tokio::test]
async fn f31_an_index_of_a_partitioned_table_is_not_taken_for_one_that_was_interrupted() {
    let scene = Scene::new(PARTITIONED).await;
    scene.client.batch_execute("CREATE INDEX parts ON ONLY a (id)").await.unwrap();
    let error = scene.run("CREATE INDEX CONCURRENTLY parts ON a (id)").await.unwrap_err();
    assert!(error.to_string().contains("cannot create index on partitioned table"), "{error}");
    assert_eq!(scene.invalid().await, ["parts"]);
}

#[tokio::test]
async fn f31_an_invalid_index_of_a_materialized_view_is_built_anew() {
    let view = "CREATE MATERIALIZED VIEW v AS SELECT 1 AS id UNION ALL SELECT 1";
    let scene = Scene::new(view).await;
    scene.client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY v_id ON v (id)").await.unwrap_err();
    assert_eq!(scene.invalid().await, ["v_id"]);
    scene.again("CREATE INDEX CONCURRENTLY v_id ON v (id)").await;
    assert_eq!(valid(&scene.client, "v_id").await, Some(true));
}

#[tokio::test]
async fn f31_a_valid_index_is_taken_for_built_if_the_server_defines_it_in_the_same_way() {
    let tables = "CREATE SCHEMA \"Some where\"; \
         CREATE TABLE \"Some where\".\"a USING b\" (id int, name text, other text COLLATE \"C\", gone int, born date); \
         ALTER TABLE \"Some where\".\"a USING b\" DROP COLUMN gone; \
         CREATE TABLE a (id int, name text, other text COLLATE \"C\"); \
         CREATE FUNCTION public.f(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)'";
    for (statement, standing) in [
        ("i ON a (id)", "i ON public.a USING btree (id ASC)"),
        ("i ON ONLY a (id)", "i ON a (id)"),
        (
            "\"I x\" ON \"Some where\".\"a USING b\" (born, name)",
            "\"I x\" ON \"Some where\".\"a USING b\" (born, name)",
        ),
        ("i ON a (lower(a.name), (id + 1)) WHERE a.id > 0", "i ON a (lower(name), (id + 1)) WHERE id > 0"),
        ("i ON a (public.f(name) text_pattern_ops DESC)", "i ON a (f(name) text_pattern_ops DESC)"),
        ("i ON a (other, name COLLATE \"C\")", "i ON a (other, name COLLATE \"C\")"),
        (
            "i ON a (id) INCLUDE (name) WITH (fillfactor = 70)",
            "i ON a (id) INCLUDE (name) WITH (fillfactor = 70)",
        ),
        ("i ON a (id) TABLESPACE pg_default", "i ON a (id)"),
    ] {
        let scene = Scene::new(tables).await;
        scene.pretend_interrupted().await;
        scene.client.batch_execute(&format!("CREATE INDEX {standing}")).await.unwrap();
        let sql = "SELECT max(indexrelid) FROM pg_index";
        let before: u32 = scene.client.query_one(sql, &[]).await.unwrap().get(0);
        scene.run(&format!("CREATE INDEX CONCURRENTLY {statement}")).await.expect(statement);
        let after: u32 = scene.client.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!((before, history(&scene.client).await.as_str()), (after, "1 applied"), "{statement}");
    }
}

#[tokio::test]
async fn f31_a_valid_index_of_another_definition_is_an_error_that_names_it() {
    let tables = "CREATE TABLE a (id int, name text, other text COLLATE \"C\")";
    for (statement, standing) in [
        ("INDEX CONCURRENTLY i ON a (id)", "INDEX i ON a (name)"),
        ("INDEX CONCURRENTLY i ON a (id)", "UNIQUE INDEX i ON a (id)"),
        ("INDEX CONCURRENTLY i ON a (id)", "INDEX i ON a (id DESC)"),
        ("INDEX CONCURRENTLY i ON a (id)", "INDEX i ON a USING hash (id)"),
        ("INDEX CONCURRENTLY i ON a (id)", "INDEX i ON a (id) WHERE id > 0"),
        ("INDEX CONCURRENTLY i ON a (id)", "INDEX i ON a (id) WITH (fillfactor = 70)"),
        ("INDEX CONCURRENTLY i ON a (id) INCLUDE (name)", "INDEX i ON a (id, name)"),
        ("INDEX CONCURRENTLY i ON a (name)", "INDEX i ON a (name text_pattern_ops)"),
        ("INDEX CONCURRENTLY i ON a (other COLLATE \"POSIX\")", "INDEX i ON a (other)"),
        ("INDEX CONCURRENTLY i ON a (lower(name))", "INDEX i ON a (upper(name))"),
    ] {
        let scene = Scene::new(tables).await;
        scene.pretend_interrupted().await;
        scene.client.batch_execute(&format!("CREATE {standing}")).await.unwrap();
        let error = scene.run(&format!("CREATE {statement}")).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42P07", "{error}");
        let named = "the table has an index public.i already, `CREATE ";
        assert!(error.to_string().contains(named), "{error}");
        assert_eq!(history(&scene.client).await, "1 failed");
    }
}

#[tokio::test]
async fn f31_a_statement_that_names_no_column_is_not_taken_for_done() {
    let scene = Scene::new(INDEXED).await;
    scene.pretend_interrupted().await;
    let error = scene.run("CREATE INDEX CONCURRENTLY a_id ON a (nothing)").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42703");
}

#[tokio::test]
async fn f31_an_index_that_is_not_valid_after_all_is_not_taken_for_built() {
    let scene = Scene::new(TABLE).await;
    let sabotage = "CREATE FUNCTION spoil() RETURNS event_trigger LANGUAGE plpgsql AS \
         $$ BEGIN UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.a_id'::regclass; END $$; \
         CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION spoil()";
    scene.run("SELECT 1/0").await.unwrap_err();
    scene.client.batch_execute(sabotage).await.unwrap();
    let error = scene.run("CREATE INDEX CONCURRENTLY a_id ON a (id)").await.unwrap_err();
    insta::assert_snapshot!(error, @"migration 1 (m1) did not verify at 1_m1.up.sql:2:1: PostgreSQL has built the index public.a_id, but it is not valid; 0 of its 1 statements are done: mend statement 1 and run again, which goes on there");
    assert_eq!(scene.invalid().await, Vec::<String>::new());
    scene.client.batch_execute("DROP EVENT TRIGGER spoil").await.unwrap();
    scene.again("CREATE INDEX CONCURRENTLY a_id ON a (id)").await;
}

#[tokio::test]
async fn f31_an_invalid_index_can_be_mended_by_rebuilding_it() {
    let scene = Scene::new("CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)").await;
    scene.client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)").await.unwrap_err();
    scene.client.batch_execute("ALTER INDEX a_id RENAME TO a_ccnew; DELETE FROM a").await.unwrap();
    scene.again("REINDEX INDEX CONCURRENTLY a_ccnew").await;
    assert_eq!(valid(&scene.client, "a_ccnew").await, Some(true));
}

#[tokio::test]
async fn f33_a_drop_that_is_interrupted_is_finished_by_the_next_run() {
    let statement = "DROP INDEX CONCURRENTLY a_id";
    for end in ENDS {
        let scene = Scene::new(INDEXED).await;
        scene.block(READER).await;
        let error = scene.interrupt(statement, end).await;
        assert_eq!(scene.invalid().await, ["a_id"]);
        if end == End::Cancelled {
            insta::assert_snapshot!(error, @"migration 1 (m1) failed at 1_m1.up.sql:2:1: canceling statement due to user request (SQLSTATE 57014); the invalid index public.a_id stays: the next run drops it; 0 of its 1 statements are done: mend statement 1 and run again, which goes on there");
        }
        scene.again(statement).await;
        assert_eq!(valid(&scene.client, "a_id").await, None);
    }
}

#[tokio::test]
async fn f33_a_drop_that_an_interrupted_run_has_finished_is_not_repeated() {
    let scene = Scene::new(TABLE).await;
    scene.pretend_interrupted().await;
    scene.again("DROP INDEX CONCURRENTLY a_id").await;
    // Without such a run the name is a mistake.
    let scene = Scene::new(TABLE).await;
    for _ in 0..2 {
        let error = scene.run("DROP INDEX CONCURRENTLY a_id").await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42704");
    }
}

#[tokio::test]
async fn f33_a_drop_that_an_interrupted_run_has_finished_drops_no_other_index_of_the_name() {
    let tables = "CREATE SCHEMA app; CREATE TABLE app.b (id int); CREATE INDEX i ON app.b (id); \
         CREATE TABLE a (id int); CREATE INDEX i ON a (id)";
    let scene = Scene::new(tables).await;
    scene.pretend_interrupted().await;
    scene.client.batch_execute("DROP INDEX app.i").await.unwrap();
    let mut client = scene.database.connect().await.unwrap();
    let migrator = |text| Migrator::new(texts(&[&outside(text)])).search_path("app, public");
    // However often it is tried.
    for _ in 0..2 {
        let error = migrator("DROP INDEX CONCURRENTLY i").run(&mut client, Target::Latest).await.unwrap_err();
        let said = "the name without a schema means public.i now: write the name with its schema";
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(valid(&scene.client, "public.i").await, Some(true));
        assert_eq!(history(&scene.client).await, "1 running");
    }
    let report = migrator("DROP INDEX CONCURRENTLY app.i").run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.applied().count(), 1);
    assert_eq!(valid(&scene.client, "public.i").await, Some(true));
    // In the first schema of the path there is no doubt, nor about one that is half dropped.
    let scene = Scene::new(tables).await;
    scene.pretend_interrupted().await;
    let mut client = scene.database.connect().await.unwrap();
    migrator("DROP INDEX CONCURRENTLY i").run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(valid(&scene.client, "app.i").await, None);
    assert_eq!(valid(&scene.client, "public.i").await, Some(true));
}

/// What a `REINDEX` leaves when it is interrupted while it waits for old snapshots, or for readers.
async fn reindex(tables: &str, statement: &str, left: [&[&str]; 2]) {
    for (blocker, left) in [SNAPSHOT, READER].into_iter().zip(left) {
        for end in ENDS {
            let scene = Scene::new(tables).await;
            let statement = statement.replace("DATABASE", &format!("DATABASE {}", scene.database.name()));
            scene.block(blocker).await;
            match (end, blocker) {
                (End::Cancelled, READER) => scene.interrupt_and_release(&statement).await,
                _ => drop(scene.interrupt(&statement, end).await),
            }
            let expected: &[&str] = if end == End::Cancelled { &[] } else { left };
            let toast =
                |index: String| if index.starts_with("pg_toast.") { "toast".to_owned() } else { index };
            let invalid: Vec<_> = scene.invalid().await.into_iter().map(toast).collect();
            assert_eq!(invalid, expected, "{statement} {end:?} {blocker}");
            scene.again(&statement).await;
            assert_eq!(valid(&scene.client, "a_id").await, Some(true));
        }
    }
}

#[tokio::test]
async fn f33_a_reindex_of_an_index_that_is_interrupted_leaves_nothing_and_is_repeated() {
    reindex(INDEXED, "REINDEX INDEX CONCURRENTLY a_id", [&["a_id_ccnew"], &["a_id_ccold"]]).await;
}

#[tokio::test]
async fn f33_a_reindex_of_a_table_that_is_interrupted_leaves_nothing_and_is_repeated() {
    let left: [&[&str]; 2] = [&["a_id_ccnew", "toast"], &["a_id_ccold", "toast"]];
    reindex(INDEXED, "REINDEX TABLE CONCURRENTLY a", left).await;
}

#[tokio::test]
async fn f33_a_reindex_of_a_schema_that_is_interrupted_leaves_nothing_and_is_repeated() {
    let left: [&[&str]; 2] = [&["a_id_ccnew", "toast"], &["a_id_ccold", "toast"]];
    reindex(INDEXED, "REINDEX SCHEMA CONCURRENTLY public", left).await;
}

#[tokio::test]
async fn f33_a_reindex_of_a_database_that_is_interrupted_leaves_nothing_and_is_repeated() {
    let left: [&[&str]; 2] = [&["a_id_ccnew", "toast"], &["a_id_ccold", "toast"]];
    reindex(INDEXED, "REINDEX (CONCURRENTLY) DATABASE", left).await;
}

#[tokio::test]
async fn f33_a_reindex_of_partitions_that_is_interrupted_leaves_nothing_and_is_repeated() {
    let left: [&[&str]; 2] = [&["a1_id_idx_ccnew"], &["a1_id_idx_ccold"]];
    reindex(PARTITIONED, "REINDEX INDEX CONCURRENTLY a_id", left).await;
    reindex(PARTITIONED, "REINDEX TABLE CONCURRENTLY a", left).await;
}

#[tokio::test]
async fn f33_a_reindex_drops_the_leftovers_of_what_it_covers_and_of_nothing_else() {
    let long = "x".repeat(54);
    let tables = format!(
        "CREATE SCHEMA s; CREATE TABLE s.a (id int); CREATE INDEX t_ccnew ON s.a (id); \
         CREATE TABLE a (id int); CREATE INDEX a_id ON a (id); CREATE INDEX {long}_ccold12 ON a (id); \
         CREATE INDEX a_ccnew ON a (id); CREATE INDEX a_ccnew_a ON a (id); CREATE INDEX valid_ccnew ON a (id); \
         CREATE TABLE b (id int); CREATE INDEX b_ccnew1 ON b (id); \
         UPDATE pg_index SET indisvalid = false FROM pg_class AS c WHERE c.oid = indexrelid \
         AND relname LIKE '%\\_cc%' AND relname <> 'valid_ccnew' AND indexrelid > 16384"
    );
    // An invalid index by any other name is not what a REINDEX leaves.
    for (statement, left) in [
        ("REINDEX INDEX CONCURRENTLY a_id", vec!["a_ccnew_a", "b_ccnew1", "s.t_ccnew"]),
        ("REINDEX TABLE CONCURRENTLY a", vec!["a_ccnew_a", "b_ccnew1", "s.t_ccnew"]),
        ("REINDEX SCHEMA CONCURRENTLY public", vec!["a_ccnew_a", "s.t_ccnew"]),
        ("REINDEX (CONCURRENTLY) DATABASE", vec!["a_ccnew_a"]),
    ] {
        let scene = Scene::new(&tables).await;
        let statement = statement.replace("DATABASE", &format!("DATABASE {}", scene.database.name()));
        scene.run(&statement).await.unwrap();
        assert_eq!(scene.invalid().await, left, "{statement}");
        assert_eq!(valid(&scene.client, "valid_ccnew").await, Some(true));
    }
}

#[tokio::test]
async fn f33_a_reindex_that_somebody_is_at_is_left_alone() {
    let scene = Scene::new(INDEXED).await;
    scene.block(SNAPSHOT).await;
    let theirs = scene.database.connect().await.unwrap();
    let theirs = tokio::spawn(async move { theirs.batch_execute("REINDEX INDEX CONCURRENTLY a_id").await });
    scene.waiting("REINDEX INDEX%").await;
    let ours = scene.begin("REINDEX TABLE CONCURRENTLY a").await;
    // Ours is past its look at what is left, and waits for the table.
    scene.waiting("REINDEX TABLE%").await;
    assert_eq!(scene.invalid().await, ["a_id_ccnew"]);
    scene.release().await;
    theirs.await.unwrap().unwrap();
    ours.await.unwrap().unwrap();
    assert_eq!(scene.invalid().await, Vec::<String>::new());
}

#[tokio::test]
async fn f33_a_new_index_that_is_called_like_a_leftover_is_left_alone() {
    let scene = Scene::new(INDEXED).await;
    scene.block(WRITER).await;
    let theirs = "CREATE INDEX CONCURRENTLY a_name_ccnew ON a (name)";
    let builder = scene.database.connect().await.unwrap();
    let building = tokio::spawn(async move { builder.batch_execute(theirs).await });
    scene.waiting(theirs).await;
    let ours = scene.begin("REINDEX TABLE CONCURRENTLY a").await;
    // Longer than it takes to notice a deadlock: from now on it would be theirs that ends in one.
    scene.waiting_for("%LOCK TABLE%", Duration::from_millis(1500)).await;
    scene.release().await;
    building.await.unwrap().unwrap();
    ours.await.unwrap().unwrap();
    assert_eq!(valid(&scene.client, "a_name_ccnew").await, Some(true));
}

#[tokio::test]
async fn f33_a_detach_that_is_interrupted_is_finished_by_the_next_run() {
    let statement = "ALTER TABLE a DETACH PARTITION a1 CONCURRENTLY";
    for end in ENDS {
        let scene = Scene::new(PARTITIONED).await;
        scene.block(READER).await;
        let error = scene.interrupt(statement, end).await;
        assert!(scene.is_partition("a1").await);
        if end == End::Cancelled {
            insta::assert_snapshot!(error, @r#"migration 1 (m1) failed at 1_m1.up.sql:2:1: canceling statement due to user request (SQLSTATE 57014); the partition "a1" is half detached, out of sight of new queries: the next run finishes it; 0 of its 1 statements are done: mend statement 1 and run again, which goes on there"#);
        }
        scene.again(statement).await;
        assert!(!scene.is_partition("a1").await && scene.is_partition("a4").await);
    }
}

#[tokio::test]
async fn f33_a_detach_that_is_half_done_is_finished_in_tries_that_are_short() {
    let scene = Scene::new(PARTITIONED).await;
    scene.block(READER).await;
    // Somebody has begun it by hand.
    scene.client.batch_execute("SET statement_timeout = '100ms'").await.unwrap();
    let by_hand = scene.client.batch_execute("ALTER TABLE a DETACH PARTITION a1 CONCURRENTLY").await;
    assert_eq!(by_hand.unwrap_err().code().unwrap().code(), "57014");
    scene.client.batch_execute("RESET statement_timeout").await.unwrap();
    scene.release().await;
    scene.block(SNAPSHOT).await;
    let (retrying, mut retries) = tokio::sync::mpsc::unbounded_channel();
    let statement = outside("ALTER TABLE public.a DETACH PARTITION public.a1 CONCURRENTLY");
    let migrator = Migrator::new(texts(&[&statement])).on_progress(move |progress| {
        if let Progress::Retrying { code, .. } = progress {
            let _ = retrying.send((*code).to_owned());
        }
    });
    let running = scene.begin_with(migrator).await;
    // While it waits for snapshots nobody gets at the partition.
    let retry = tokio::time::timeout(Duration::from_secs(60), retries.recv()).await;
    assert_eq!(retry.unwrap().as_deref(), Some("55P03"));
    scene.client.batch_execute("SELECT FROM a1").await.unwrap();
    scene.release().await;
    running.await.unwrap().unwrap();
    assert!(!scene.is_partition("a1").await);
}

#[tokio::test]
async fn f33_a_detach_that_an_interrupted_run_has_finished_is_not_repeated() {
    let scene = Scene::new(PARTITIONED).await;
    scene.pretend_interrupted().await;
    scene.client.batch_execute("ALTER TABLE a DETACH PARTITION a1").await.unwrap();
    scene.again("ALTER TABLE a DETACH PARTITION a1 CONCURRENTLY").await;
    // Without such a run it is a mistake.
    let scene = Scene::new("CREATE TABLE a (id int) PARTITION BY LIST (id); CREATE TABLE a1 (id int)").await;
    for _ in 0..2 {
        let error = scene.run("ALTER TABLE a DETACH PARTITION a1 CONCURRENTLY").await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42P01", "{error}");
    }
}

#[tokio::test]
async fn f36_no_lock_timeout_ends_a_concurrent_statement() {
    for (tables, statement) in [
        (TABLE, "CREATE INDEX CONCURRENTLY a_id ON a (id)"),
        (INDEXED, "DROP INDEX CONCURRENTLY a_id"),
        (INDEXED, "REINDEX TABLE CONCURRENTLY a"),
        (PARTITIONED, "ALTER TABLE a DETACH PARTITION a1 CONCURRENTLY"),
    ] {
        let scene = Scene::new(tables).await;
        scene.block(WRITER).await;
        let migrator = Migrator::new(texts(&[&outside(&format!("{statement};\n{NOTE}"))]))
            .lock_timeout(Duration::from_millis(50))
            .statement_timeout(Duration::from_secs(2));
        let running = scene.begin_with(migrator).await;
        scene.waiting_for(statement, Duration::from_millis(2500)).await;
        scene.release().await;
        assert_eq!(running.await.unwrap().unwrap().retries(), 0);
        // What comes after it has the timeouts of a migration again.
        assert_eq!(scene.timeouts().await, "50ms 2s", "{statement}");
    }
}

#[tokio::test]
async fn f36_a_statement_timeout_that_the_file_sets_ends_a_concurrent_statement() {
    let statement = "CREATE INDEX CONCURRENTLY a_id ON a (id)";
    for (header, set) in
        [("-- dunlin: statement-timeout = 3s\n", ""), ("", "SET Statement_Timeout = '3s';\n")]
    {
        let scene = Scene::new(TABLE).await;
        scene.block(WRITER).await;
        let text = format!("{header}{set}{statement};\n{NOTE}");
        let running = scene.begin(&text).await;
        scene.waiting("DROP INDEX CONCURRENTLY%").await;
        scene.release().await;
        let error = running.await.unwrap().unwrap_err();
        assert_eq!(error.code().unwrap().code(), "57014", "{error}");
        scene.again(&text).await;
        assert_eq!(scene.timeouts().await, "200ms 3s");
    }
}

#[tokio::test]
async fn the_timeouts_come_back_after_what_is_not_repeated() {
    let scene = Scene::new(INDEXED).await;
    scene.pretend_interrupted().await;
    scene.again(&format!("CREATE INDEX CONCURRENTLY a_id ON a (id);\n{NOTE}")).await;
    assert_eq!(scene.timeouts().await, "200ms 0");
}

#[tokio::test]
async fn a_role_without_temporary_tables_knows_an_index_by_its_name() {
    let scene = Scene::new("SELECT").await;
    let (role, mut client) = scene.owner().await;
    client.batch_execute(TABLE).await.unwrap();
    run(&mut client, texts(&[&outside("SELECT 1/0")])).await.unwrap_err();
    client.batch_execute("CREATE INDEX a_id ON a (id)").await.unwrap();
    let interrupted = "UPDATE dunlin_history SET state = 'running'";
    client.batch_execute(interrupted).await.unwrap();
    let unique = outside("CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)");
    let error = run(&mut client, texts(&[&unique])).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42P07", "{error}");
    client.batch_execute(interrupted).await.unwrap();
    run(&mut client, texts(&[&outside("CREATE INDEX CONCURRENTLY a_id ON a (id)")])).await.unwrap();
    assert_eq!(history(&scene.client).await, "1 applied");
    scene.drop_role(&role).await;
}

#[tokio::test]
async fn f33_what_a_role_may_not_drop_does_not_keep_it_from_its_work() {
    let scene = Scene::new("SELECT").await;
    let (role, mut client) = scene.owner().await;
    client.batch_execute(INDEXED).await.unwrap();
    scene.block(SNAPSHOT).await;
    let set = texts(&[&outside("REINDEX TABLE CONCURRENTLY a")]);
    let migrator = Migrator::new(set.clone());
    let running = tokio::spawn(async move { (migrator.run(&mut client, Target::Latest).await, client) });
    let pid = scene.waiting("REINDEX%").await;
    scene.end(End::Cancelled, pid).await;
    let (outcome, mut client) = running.await.unwrap();
    assert_eq!(outcome.unwrap_err().code().unwrap().code(), "57014");
    scene.release().await;
    run(&mut client, set).await.unwrap();
    let left = scene.invalid().await;
    assert!(left.iter().all(|index| index.starts_with("pg_toast.")) && left.len() == 1, "{left:?}");
    scene.drop_role(&role).await;
}

#[tokio::test]
async fn f63_recoveries_use_nothing_that_stands_in_the_migrations_path() {
    let mut tables = format!(
        "{PARTITIONED}; CREATE TABLE b (id int); CREATE INDEX b_id ON b (id); CREATE INDEX b_2 ON b (id); \
         CREATE INDEX b_ccnew ON b (id); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('b_ccnew'::regclass, 'b_2'::regclass); \
         CREATE SCHEMA evil; \
         CREATE FUNCTION evil.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT NULL::regclass'; \
         CREATE FUNCTION evil.pg_get_indexdef(oid) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'; "
    );
    for (left, right) in
        [("oid", "oid"), ("name", "name"), ("name", "text"), ("text", "text"), ("int4", "int4")]
    {
        let function = format!("evil.{left}_{right}");
        tables += &format!(
            "CREATE FUNCTION {function}({left}, {right}) RETURNS bool LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'caught'; END $$; "
        );
        for operator in ["=", "<>", "~"] {
            tables += &format!(
                "CREATE OPERATOR evil.{operator} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {function}); "
            );
        }
    }
    let scene = Scene::new(&tables).await;
    scene.pretend_interrupted().await;
    let text = "CREATE INDEX CONCURRENTLY b_id ON b (id); CREATE INDEX CONCURRENTLY b_2 ON b (id); \
         REINDEX INDEX CONCURRENTLY b_id; REINDEX TABLE CONCURRENTLY b; REINDEX SCHEMA CONCURRENTLY public; \
         DROP INDEX CONCURRENTLY b_2; ALTER TABLE a DETACH PARTITION a1 CONCURRENTLY";
    let migrator = Migrator::new(texts(&[&outside(text)])).search_path("evil, public, pg_catalog");
    scene.begin_with(migrator).await.await.unwrap().unwrap();
    assert_eq!(scene.invalid().await, Vec::<String>::new());
    assert!(!scene.is_partition("a1").await);
}
