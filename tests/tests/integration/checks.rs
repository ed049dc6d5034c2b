//! The checks of dunlin-test on migrations of real projects, and schemas as files.

use std::process::Command;

use dunlin::{MigrationSet, Migrator, Target};
use dunlin_test::{
    ObjectKind, Schema, SchemaDiff,
    checks::{self, CheckError, Checked},
};
use tests::database;

use crate::corpora::{corpus::Corpus, schema::PgDump};

/// The down of svix that drops a column, and then the index that went with the column.
const BROKEN: i64 = 20220428190104;

/// The down of svix that puts columns back with a default, which they did not have: it works, and does not lead back.
const INEXACT: i64 = 20220506181355;

#[tokio::test]
async fn of_svix_each_step_names_the_broken_down_and_the_inexact_one() {
    let Some(corpus) = Corpus::load("svix") else { return };

    let error = checks::each_step(&corpus.migrator()).await.unwrap_err();

    let versions: Vec<_> =
        error.failures().iter().map(|failure| failure.migration().unwrap().version()).collect();
    assert_eq!(versions, [BROKEN, INEXACT]);
    insta::assert_debug_snapshot!(error, @r#"
    each step: 2 failures

    reverting migration 20220428190104 (message_expiration) failed at 20220428190104_message_expiration.down.sql:3:1: index "message_payload_not_null_pidx" does not exist (SQLSTATE 42704); nothing of it remains: mend it and run again

    migration 20220506181355 (remove_updated_at_from_static_entities): its down does not undo its up (- was there before, + is there now):
        table public.message
      -   column updated_at: timestamp with time zone NOT NULL
      +   column updated_at: timestamp with time zone DEFAULT now() NOT NULL
        table public.messageattempt
      -   column updated_at: timestamp with time zone NOT NULL
      +   column updated_at: timestamp with time zone DEFAULT now() NOT NULL
    "#);
}

#[tokio::test]
async fn of_svix_the_round_trip_ends_at_the_broken_down() {
    let Some(corpus) = Corpus::load("svix") else { return };
    let error = checks::round_trip(&corpus.migrator()).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"round trip: on the way down, reverting migration 20220428190104 (message_expiration) failed at 20220428190104_message_expiration.down.sql:3:1: index "message_payload_not_null_pidx" does not exist (SQLSTATE 42704); nothing of it remains: mend it and run again (12 migrations were done before it)"#);
}

#[tokio::test]
async fn with_its_downs_mended_svix_holds_step_by_step() {
    let Some(corpus) = Corpus::load("svix") else { return };
    let mended = corpus.edited(|original| {
        let Some(down) = &mut original.down else { return };
        match original.version {
            BROKEN => *down = down.replace("DROP INDEX ", "DROP INDEX IF EXISTS "),
            INEXACT => *down = down.replace(" DEFAULT now()", ""),
            _ => {}
        }
    });
    assert_whole(checks::each_step(&mended).await, &corpus);
    assert_whole(checks::round_trip(&mended).await, &corpus);
}

#[tokio::test]
async fn openfga_holds_step_by_step() {
    let Some(corpus) = Corpus::load("openfga") else { return };
    assert_whole(checks::each_step(&corpus.migrator()).await, &corpus);
    assert_whole(checks::round_trip(&corpus.migrator()).await, &corpus);
}

#[tokio::test]
async fn an_object_that_a_down_of_openfga_forgets_is_named() {
    let Some(corpus) = Corpus::load("openfga") else { return };
    let forgetful = corpus.edited(|original| match &mut original.down {
        Some(down) if original.version == 3 => *down = "SELECT 1;".to_owned(),
        _ => {}
    });

    let error = checks::each_step(&forgetful).await.unwrap_err();

    let [failure] = error.failures() else { panic!("{error}") };
    assert_eq!(failure.migration().unwrap().version(), 3);
    let objects: Vec<_> = failure.diff().iter().map(|object| (object.kind(), object.name())).collect();
    assert_eq!(objects, [(ObjectKind::Index, "public.idx_reverse_lookup_user")]);
    // On the way down to nothing it goes with its table.
    assert_whole(checks::round_trip(&forgetful).await, &corpus);
}

/// All of it was checked.
#[track_caller]
fn assert_whole(checked: Result<Checked, CheckError>, corpus: &Corpus) {
    let checked = checked.unwrap();
    assert_eq!((checked.checked().len(), checked.skipped()), (corpus.expected.count, &[][..]));
}

/// What holds for every set.
macro_rules! sets {
    ($($module:ident: $name:literal, $outside:expr;)+) => {
        $(
            mod $module {
                use super::*;

                #[tokio::test]
                async fn makes_the_schema_of_its_dump() {
                    let Some(corpus) = Corpus::load($name) else { return };
                    assert_whole(checks::matches(&corpus.migrator(), &corpus.dump()).await, &corpus);
                }

                #[tokio::test]
                async fn boots_on_many_replicas_at_once() {
                    let Some(corpus) = Corpus::load($name) else { return };
                    assert_whole(checks::concurrent_boot(&corpus.migrator(), 6).await, &corpus);
                }

                #[tokio::test]
                async fn is_resumed_wherever_it_was_cut_off_outside_a_transaction() {
                    let Some(corpus) = Corpus::load($name) else { return };
                    let checked = checks::resumable(&corpus.migrator()).await.unwrap();
                    let outside: [i64; _] = $outside;
                    assert_eq!(checked.checked().iter().map(|id| id.version()).collect::<Vec<_>>(), outside);
                }
            }
        )+
    };
}

sets! {
    atuin: "atuin", [];
    bitcoin_indexer_brc20: "bitcoin-indexer-brc20", [];
    bitcoin_indexer_ordinals: "bitcoin-indexer-ordinals", [];
    bitcoin_indexer_runes: "bitcoin-indexer-runes", [];
    conductor: "conductor", [9_000_000];
    conductor_scheduler: "conductor-scheduler", [];
    openfga: "openfga", [6];
    svix: "svix", [];
}

#[tokio::test]
async fn a_set_without_downs_passes_the_round_trip_with_nothing_checked() {
    let Some(corpus) = Corpus::load("conductor") else { return };
    let checked = checks::round_trip(&corpus.migrator()).await.unwrap();
    assert_eq!((checked.checked().len(), checked.skipped().len()), (0, corpus.expected.count));
}

#[tokio::test]
async fn a_dump_with_one_line_changed_is_not_matched() {
    let Some(corpus) = Corpus::load("openfga") else { return };
    let dump = corpus
        .dump()
        .replace("schema_version text DEFAULT '1.0'::text NOT NULL", "schema_version text NOT NULL");
    let error = checks::matches(&corpus.migrator(), &dump).await.unwrap_err();
    insta::assert_snapshot!(error, @"
    matches: the migrations do not make the schema of the text (- is in the text, + is what they make):
        table public.authorization_model
      -   column schema_version: text NOT NULL
      +   column schema_version: text DEFAULT '1.0'::text NOT NULL
    ");
}

/// One of everything.
fn everything() -> MigrationSet {
    let sql = include_str!("checks/everything.sql");
    MigrationSet::builder().sql(1, "everything", sql).build().unwrap()
}

#[tokio::test]
async fn what_pg_dump_writes_of_everything_is_matched() {
    let database = database().await;
    let Some(PgDump { program, .. }) = PgDump::find(database.server()) else {
        println!("left out: no pg_dump for {}", database.server());
        return;
    };
    let mut client = database.connect().await.unwrap();
    Migrator::new(everything()).run(&mut client, Target::Latest).await.unwrap();
    for options in [&["-s"][..], &["-s", "--no-owner", "--no-privileges"], &["-s", "-T", "dunlin_history*"]] {
        let mut command = Command::new(&program);
        command.args(options).args(["-d", &database.url()]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let dump = String::from_utf8(output.stdout).unwrap();
        assert!(dump.contains("CREATE EVENT TRIGGER watch"), "{}", String::from_utf8_lossy(&output.stderr));

        checks::matches(&everything(), &dump).await.unwrap();
    }
}

#[tokio::test]
async fn everything_can_be_applied_by_replicas_and_is_read_the_same_twice() {
    checks::concurrent_boot(&everything(), 3).await.unwrap();
}

#[tokio::test]
async fn each_statement_of_everything_makes_a_difference() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let text = include_str!("checks/everything.sql");
    let reader = Schema::reader().privileges();
    let mut before = reader.read(&client).await.unwrap();
    for statement in dunlin_script::split(text).unwrap() {
        let sql = statement.text(text);
        client.batch_execute(sql).await.unwrap();
        let after = reader.read(&client).await.unwrap();
        assert!(!before.diff(&after).is_empty(), "{sql}");
        before = after;
    }
}

#[tokio::test]
async fn a_schema_and_a_difference_come_back_from_a_file() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let before = Schema::read(&client).await.unwrap();
    let sql = "CREATE TABLE b (n int, \"T\" text COLLATE \"C\"); CREATE INDEX ON b (n); COMMENT ON TABLE b IS E'two\\nlines'; \
               CREATE MATERIALIZED VIEW m AS SELECT 1 AS one; CREATE SCHEMA empty";
    client.batch_execute(sql).await.unwrap();
    let schema = Schema::read(&client).await.unwrap();

    let json = serde_json::to_value(&schema).unwrap();

    assert_eq!(serde_json::from_value::<Schema>(json.clone()).unwrap(), schema);
    let diff = before.diff(&schema);
    let text = serde_json::to_string(&diff).unwrap();
    assert_eq!(serde_json::from_str::<SchemaDiff>(&text).unwrap(), diff);

    // Whoever has written it may have another order; a name that is not known is an error.
    let mut turned = json.clone();
    turned["objects"].as_array_mut().unwrap().reverse();
    let turned = serde_json::from_value::<Schema>(turned).unwrap();
    assert!(schema.diff(&turned).is_empty());
    assert!(turned.get(ObjectKind::MaterializedView, "public.m").is_some());
    let strange = json.to_string().replace("materialized_view", "materialised_view");
    assert!(serde_json::from_str::<Schema>(&strange).is_err());
    insta::assert_snapshot!(json["objects"].as_array().unwrap().iter().find(|object| object["kind"] == "index").unwrap(), @r#"{"attributes":[{"name":"definition","value":"CREATE INDEX b_n_idx ON public.b USING btree (n)"}],"kind":"index","name":"public.b_n_idx"}"#);
}
