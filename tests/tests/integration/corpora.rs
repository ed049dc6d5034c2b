//! Migrations of real projects, each in the layout of its own tool, against what plain `psql` makes of them.
//!
//! They are third-party files that are no part of this repository: they stand beside the clone, in `../shared/corpora`, or in
//! the folder that `DUNLIN_CORPORA` names. Without them these tests fail, and say so; `DUNLIN_CORPORA=skip` leaves them out.
//!
//! Every schema is compared with that of a database to which the same texts were sent without dunlin, on the same server:
//! through catalog queries always, through `pg_dump -s` where there is a `pg_dump` that can read the server (that of
//! the server's own binaries, or the one on `PATH`). With version 15 of both it is also compared with the fingerprint in
//! `expected.tsv`.

pub(crate) mod corpus;
pub(crate) mod schema;

use dunlin::{ErrorKind, MigrationSet, Migrator, RecordState, SqlMigration, State, Target};
use dunlin_test::Database;
use tests::{
    database,
    layouts::{Change, Foreign},
};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls, error::SqlState};

use crate::corpora::{
    corpus::{Corpus, expected, plainly},
    schema::Schema,
};

/// Four tests for each set.
macro_rules! sets {
    ($($module:ident: $name:literal,)+) => {
        const SETS: &[&str] = &[$($name),+];
        $(
            mod $module {
                static SET: super::Set = super::Set::new($name);

                #[tokio::test]
                async fn ends_in_the_schema_of_plain_psql() {
                    super::in_one_go(&SET).await;
                }

                #[tokio::test]
                async fn ends_in_the_same_schema_when_it_is_stopped_in_the_middle_and_resumed() {
                    super::stopped_and_resumed(&SET).await;
                }

                #[tokio::test]
                async fn ends_in_the_same_schema_one_by_one() {
                    super::one_by_one(&SET).await;
                }

                #[tokio::test]
                async fn ends_in_the_same_schema_statement_by_statement() {
                    super::statement_by_statement(&SET).await;
                }
            }
        )+
    };
}

sets! {
    atuin: "atuin",
    bitcoin_indexer_brc20: "bitcoin-indexer-brc20",
    bitcoin_indexer_ordinals: "bitcoin-indexer-ordinals",
    bitcoin_indexer_runes: "bitcoin-indexer-runes",
    conductor: "conductor",
    conductor_scheduler: "conductor-scheduler",
    openfga: "openfga",
    svix: "svix",
}

/// What the tests of one set share.
struct Set {
    name: &'static str,
    plain: OnceCell<Schema>,
}

impl Set {
    const fn new(name: &'static str) -> Self {
        Self { name, plain: OnceCell::const_new() }
    }

    /// The set; nothing when the environment says to leave it out.
    fn load(&self) -> Option<Corpus> {
        Corpus::load(self.name)
    }

    /// The schema to which all of it leads without dunlin: found out once.
    async fn plain(&self, corpus: &Corpus) -> &Schema {
        self.plain.get_or_init(async || plainly(&ups(corpus.originals())).await).await
    }
}

#[test]
fn no_set_is_left_out() {
    let Some(expected) = expected() else { return };
    let mut names: Vec<_> = expected.iter().map(|set| set.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, SETS);
}

async fn in_one_go(set: &Set) {
    let Some(corpus) = set.load() else { return };
    let database = database().await;
    let migrator = corpus.migrator();

    let report = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap();

    let applied: Vec<_> = report.applied().map(|done| done.id().version()).collect();
    assert_eq!((applied.as_slice(), applied.len()), (&*versions(corpus.originals()), corpus.expected.count));
    let again = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap();
    assert_eq!((again.applied().count(), again.already_applied()), (0, corpus.expected.count));
    let schema = Schema::of(&database).await;
    schema.assert_is(set.plain(&corpus).await);
    schema.assert_is_as_expected(&database, &corpus.expected).await;
    assert_reversible(&corpus, &migrator, &database).await;
}

/// All migrations of a set with downs have one; without, nothing is even planned.
async fn assert_reversible(corpus: &Corpus, migrator: &Migrator, database: &Database) {
    let downs = corpus.originals().iter().filter(|original| original.down.is_some()).count();
    assert_eq!(downs, corpus.expected.downs);
    let plan = migrator.plan(&connect(database).await, Target::Base).await;
    match downs {
        0 => assert_eq!(plan.unwrap_err().kind(), ErrorKind::Irreversible),
        _ => assert_eq!(plan.unwrap().steps().len(), corpus.expected.count),
    }
}

async fn stopped_and_resumed(set: &Set) {
    let Some(corpus) = set.load() else { return };
    let database = database().await;
    let (first, rest) = corpus.originals().split_at(corpus.expected.count / 2);
    let last = first.last().unwrap().version;

    let stopped = corpus.migrator().run(&mut connect(&database).await, Target::Version(last)).await.unwrap();

    assert_eq!(stopped.applied().count(), first.len());
    let status = corpus.migrator().status(&connect(&database).await).await.unwrap();
    assert_eq!(status.pending().iter().map(|id| id.version()).collect::<Vec<_>>(), versions(rest));
    Schema::of(&database).await.assert_is(&plainly(&ups(first)).await);

    // As another process would: the folder is read again, the connection is a new one.
    let migrator = set.load().unwrap().migrator();
    let resumed = migrator.run(&mut connect(&database).await, Target::Latest).await.unwrap();

    assert_eq!((resumed.already_applied(), resumed.applied().count()), (first.len(), rest.len()));
    Schema::of(&database).await.assert_is(set.plain(&corpus).await);
}

async fn one_by_one(set: &Set) {
    let Some(corpus) = set.load() else { return };
    let database = database().await;
    let mut client = connect(&database).await;
    let migrator = corpus.migrator();

    for original in corpus.originals() {
        let report = migrator.run(&mut client, Target::Relative(1)).await.unwrap();
        assert_eq!(report.applied().map(|done| done.id().version()).collect::<Vec<_>>(), [original.version]);
    }

    assert_eq!(migrator.ensure_current(&client).await.unwrap(), State::Current);
    Schema::of(&database).await.assert_is(set.plain(&corpus).await);
}

/// With every file outside a transaction dunlin has to find where each statement ends.
async fn statement_by_statement(set: &Set) {
    let Some(corpus) = set.load() else { return };
    let database = database().await;
    let directive = "-- dunlin: no-transaction";
    let marked = corpus.edited(|original| match original.up.contains(directive) {
        true => {}
        false => original.up.insert_str(0, &format!("{directive}\n")),
    });
    let migrator = Migrator::new(marked);

    dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap();

    let status = migrator.status(&connect(&database).await).await.unwrap();
    assert!(status.records().iter().all(|record| record.statements_done() > 0));
    Schema::of(&database).await.assert_is(set.plain(&corpus).await);
}

/// Those of goose, one of which is outside a transaction in both directions.
#[tokio::test]
async fn the_downs_of_openfga_end_in_an_empty_schema() {
    let Some(corpus) = Corpus::load("openfga") else { return };
    let (database, migrator) = (database().await, corpus.migrator());
    let mut client = connect(&database).await;
    migrator.run(&mut client, Target::Latest).await.unwrap();

    let half = migrator.run(&mut client, Target::Version(3)).await.unwrap();

    assert_eq!(half.reverted().map(|done| done.id().version()).collect::<Vec<_>>(), [6, 5, 4]);
    Schema::of(&database).await.assert_is(&plainly(&ups(&corpus.originals()[..3])).await);

    let whole = migrator.run(&mut client, Target::Base).await.unwrap();

    assert_eq!(whole.reverted().map(|done| done.id().version()).collect::<Vec<_>>(), [3, 2, 1]);
    assert!(migrator.status(&client).await.unwrap().records().is_empty());
    Schema::of(&database).await.assert_is(&plainly(&[]).await);

    let again = migrator.run(&mut client, Target::Latest).await.unwrap();

    assert_eq!(again.applied().count(), corpus.expected.count);
    Schema::of(&database).await.assert_is(&plainly(&ups(corpus.originals())).await);
}

/// The down of svix that drops a column, and then the index that went with the column.
const BROKEN: i64 = 20220428190104;

#[tokio::test]
async fn the_broken_down_of_svix_stops_the_way_down_and_what_was_reverted_before_it_stays_so() {
    let Some(corpus) = Corpus::load("svix") else { return };
    let (database, migrator) = (database().await, corpus.migrator());
    let mut client = connect(&database).await;
    migrator.run(&mut client, Target::Latest).await.unwrap();
    let (kept, reverted) = corpus.originals().split_at(4);
    assert_eq!(kept[3].version, BROKEN);

    let error = migrator.run(&mut client, Target::Base).await.unwrap_err();

    assert_eq!((error.kind(), error.migration().unwrap().version()), (ErrorKind::Migration, BROKEN));
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_OBJECT));
    assert_eq!(
        error.to_string(),
        "reverting migration 20220428190104 (message_expiration) failed at \
         20220428190104_message_expiration.down.sql:3:1: index \"message_payload_not_null_pidx\" does not exist \
         (SQLSTATE 42704); nothing of it remains: mend it and run again (12 migrations were done before it)"
    );
    let mut backwards = versions(reverted);
    backwards.reverse();
    assert_eq!(error.report().reverted().map(|done| done.id().version()).collect::<Vec<_>>(), backwards);
    let status = migrator.status(&client).await.unwrap();
    assert!(status.records().iter().all(|record| record.state() == RecordState::Applied));
    assert_eq!(
        status.records().iter().map(|record| record.id().version()).collect::<Vec<_>>(),
        versions(kept)
    );
    assert_eq!(status.pending().iter().map(|id| id.version()).collect::<Vec<_>>(), versions(reverted));
    let down = [ups(corpus.originals()), downs(reverted)].concat();
    Schema::of(&database).await.assert_is(&plainly(&down).await);

    // The way up is open: what was reverted comes back.
    let up = migrator.run(&mut client, Target::Latest).await.unwrap();

    assert_eq!(up.applied().map(|done| done.id().version()).collect::<Vec<_>>(), versions(reverted));
    assert_eq!(migrator.ensure_current(&client).await.unwrap(), State::Current);
    Schema::of(&database).await.assert_is(&plainly(&[down, ups(reverted)].concat()).await);
}

#[tokio::test]
async fn with_its_broken_down_mended_svix_ends_in_an_empty_schema() {
    let Some(corpus) = Corpus::load("svix") else { return };
    let database = database().await;
    let mut client = connect(&database).await;
    let migrator = corpus.migrator();
    migrator.run(&mut client, Target::Latest).await.unwrap();
    migrator.run(&mut client, Target::Base).await.unwrap_err();

    let mended = corpus.edited(|original| match &mut original.down {
        Some(down) if original.version == BROKEN => {
            *down = down.replace("DROP INDEX ", "DROP INDEX IF EXISTS ")
        }
        _ => {}
    });
    let report = Migrator::new(mended).run(&mut client, Target::Base).await.unwrap();

    assert_eq!(report.reverted().next().unwrap().id().version(), BROKEN);
    assert_eq!(report.reverted().count(), 4);
    Schema::of(&database).await.assert_is(&plainly(&[]).await);
}

#[test]
fn two_files_of_all_sets_have_to_be_changed() {
    let changed = |name| Corpus::load(name).map(|corpus| corpus.changes().to_vec()).unwrap_or_default();
    let changes: Vec<_> = SETS.iter().flat_map(|name| changed(name)).collect();
    if expected().is_none() {
        return;
    }
    let (conductor, openfga) = ("V9__indexing_index_fix.sql", "006_add_collate_index.sql");
    assert_eq!(
        changes.iter().map(|(file, change)| (file.as_str(), *change)).collect::<Vec<_>>(),
        [
            (conductor, Change::IfNotExists),
            (conductor, Change::NoTransaction),
            // Once in its up, once in its down.
            (openfga, Change::IfNotExists),
            (openfga, Change::IfNotExists),
        ]
    );
}

#[tokio::test]
async fn what_runs_outside_a_transaction_is_done_statement_by_statement() {
    for (name, version, statements) in [("conductor", 9_000_000, 6), ("openfga", 6, 2)] {
        let Some(corpus) = Corpus::load(name) else { return };
        let database = database().await;
        dunlin::migrate(&database.config(), NoTls, &corpus.migrator()).await.unwrap();
        let status = corpus.migrator().status(&connect(&database).await).await.unwrap();
        let done: Vec<_> = status
            .records()
            .iter()
            .filter(|record| record.statements_done() > 0)
            .map(|record| (record.id().version(), record.statements_done()))
            .collect();
        assert_eq!(done, [(version, statements)], "{name}");
    }
}

#[test]
fn an_unmarked_file_is_refused_with_the_place_of_each_statement() {
    let Some(corpus) = Corpus::load("conductor") else { return };
    let original = corpus.originals().iter().find(|original| original.version == 9_000_000).unwrap();

    let error = SqlMigration::new(original.version, &*original.name, &original.up).unwrap_err();

    assert_eq!((error.kind(), error.migration().unwrap().version()), (ErrorKind::Script, 9_000_000));
    let drop = "`DROP INDEX CONCURRENTLY` can't run in a transaction: add `-- dunlin: no-transaction` at the top, and \
                move what needs one to another migration";
    let create = "`CREATE INDEX CONCURRENTLY IF NOT EXISTS` would take an invalid index, which a build that failed leaves \
                  behind, for a finished one: leave `IF NOT EXISTS` out, dunlin drops an invalid index and builds it \
                  again; and add `-- dunlin: no-transaction`";
    let wanted = [(2, drop), (4, create), (7, drop), (8, drop), (10, create), (12, create)];
    let wanted =
        wanted.map(|(line, message)| format!("9000000_indexing_index_fix.up.sql:{line}:1: {message}"));
    assert_eq!(error.to_string().lines().collect::<Vec<_>>(), wanted);
}

/// No set has such a file today; other projects do.
#[tokio::test]
async fn a_file_with_its_own_transaction_is_refused_as_it_is_and_runs_when_it_is_adapted() {
    let original = Foreign {
        file: "V1__own.sql".to_owned(),
        version: 1,
        name: "own".to_owned(),
        up: "-- one for all\nBEGIN;\nCREATE TABLE a (id int);\n  COMMIT;\n".to_owned(),
        down: Some("START TRANSACTION; DROP TABLE a; END".to_owned()),
    };

    let refused = SqlMigration::new(1, "own", &original.up).unwrap_err().to_string();

    let places: Vec<_> =
        refused.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(places, ["1_own.up.sql:2:1: `BEGIN`", "1_own.up.sql:4:3: `COMMIT`"]);

    let (migration, changes) = original.adapt().unwrap();
    assert_eq!(changes, [Change::OwnTransaction, Change::OwnTransaction]);
    let migrator = Migrator::new(MigrationSet::builder().migration(migration).build().unwrap());
    let database = database().await;
    let mut client = connect(&database).await;
    migrator.run(&mut client, Target::Latest).await.unwrap();
    Schema::of(&database).await.assert_is(&plainly(&[&original.up]).await);
    migrator.run(&mut client, Target::Base).await.unwrap();
    Schema::of(&database).await.assert_is(&plainly(&[]).await);
}

async fn connect(database: &Database) -> Client {
    database.connect().await.unwrap()
}

fn versions(originals: &[Foreign]) -> Vec<i64> {
    originals.iter().map(|original| original.version).collect()
}

fn ups(originals: &[Foreign]) -> Vec<&str> {
    originals.iter().map(|original| original.up.as_str()).collect()
}

/// The downs in the order in which they run.
fn downs(originals: &[Foreign]) -> Vec<&str> {
    originals.iter().rev().map(|original| original.down.as_deref().unwrap()).collect()
}
