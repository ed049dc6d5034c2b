//! The sets beside the clone, and what `expected.tsv` says of them.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use dunlin::{MigrationSet, Migrator};
use tests::{
    database,
    layouts::{self, Adapted, Change, Foreign, Layout},
};
use tokio_postgres::{Client, error::SqlState};

use crate::corpora::schema::Schema;

/// One set.
pub(crate) struct Corpus {
    pub(crate) expected: Expected,
    adapted: Adapted,
}

/// A line of `expected.tsv`.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(super) name: String,
    pub(crate) count: usize,
    pub(crate) downs: usize,
    pub(super) sha256: String,
    pub(super) sha256_without_owner: String,
    /// Tables, indexes, functions, views, triggers, types and rows.
    pub(super) counts: [i64; 7],
    layout: Layout,
    folder: PathBuf,
    dump: PathBuf,
}

impl Corpus {
    /// Loads the set through the adapter; nothing when the environment says to leave the sets out.
    pub(crate) fn load(name: &str) -> Option<Self> {
        let expected = expected()?.into_iter().find(|set| set.name == name).unwrap();
        let adapted = layouts::load(expected.layout, &locations(&expected.folder)).unwrap();
        Some(Self { expected, adapted })
    }

    pub(crate) fn migrator(&self) -> Migrator {
        Migrator::new(self.adapted.set.clone())
    }

    /// What `pg_dump -s` says of the schema that plain `psql` makes of them.
    pub(crate) fn dump(&self) -> String {
        fs::read_to_string(&self.expected.dump).unwrap()
    }

    /// The migrations as they were written, in order.
    pub(super) fn originals(&self) -> &[Foreign] {
        &self.adapted.originals
    }

    /// Which files were changed for dunlin, and how.
    pub(super) fn changes(&self) -> &[(String, Change)] {
        &self.adapted.changes
    }

    /// The set with other texts: `edit` is shown each migration as it was written.
    pub(crate) fn edited(&self, edit: impl Fn(&mut Foreign)) -> MigrationSet {
        let adapt = |mut original: Foreign| {
            edit(&mut original);
            original.adapt().unwrap().0
        };
        let originals = self.originals().iter().cloned();
        originals
            .fold(MigrationSet::builder(), |set, original| set.migration(adapt(original)))
            .build()
            .unwrap()
    }
}

/// The schema of a new database to which the texts were sent without dunlin.
pub(super) async fn plainly(texts: &[&str]) -> Schema {
    let database = database().await;
    let client = database.connect().await.unwrap();
    for text in texts {
        send(&client, text).await;
    }
    Schema::of(&database).await
}

/// Reads `expected.tsv`; nothing when the environment says to leave the sets out.
pub(super) fn expected() -> Option<Vec<Expected>> {
    let root = root()?;
    let table = fs::read_to_string(root.join("expected.tsv")).unwrap();
    Some(table.lines().skip(1).map(|line| Expected::of(line, &root)).collect())
}

impl Expected {
    fn of(line: &str, root: &Path) -> Self {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, layout, _, folder, count, downs, ok, sha256, without_owner, counts @ .., extensions] =
            fields.as_slice()
        else {
            panic!("expected.tsv has a line of another form: {line}")
        };
        assert_eq!((*ok, *extensions), ("yes", "-"), "{name}: these tests expect another kind of set");
        let counts: Vec<_> = counts.iter().map(|count| count.parse().unwrap()).collect();
        Self {
            name: (*name).to_owned(),
            count: count.parse().unwrap(),
            downs: downs.parse().unwrap(),
            sha256: (*sha256).to_owned(),
            sha256_without_owner: (*without_owner).to_owned(),
            counts: counts.try_into().unwrap(),
            layout: match *layout {
                "refinery" => Layout::Refinery,
                "sqlx-simple" | "sqlx-reversible" => Layout::Sqlx,
                "flyway" => Layout::Flyway,
                "goose" => Layout::Goose,
                other => panic!("{name} has the layout of {other}, for which there is no adapter"),
            },
            folder: root.join(folder),
            dump: root.join(format!("schema/{name}.sql")),
        }
    }
}

/// Where the sets are; nothing when they are to be left out.
fn root() -> Option<PathBuf> {
    find(env::var_os("DUNLIN_CORPORA")).unwrap_or_else(|message| panic!("{message}"))
}

fn find(variable: Option<OsString>) -> Result<Option<PathBuf>, String> {
    let folder = match variable {
        Some(value) if value == "skip" => {
            println!("left out: DUNLIN_CORPORA=skip");
            return Ok(None);
        }
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"),
    };
    match folder.join("expected.tsv").is_file() {
        true => Ok(Some(folder)),
        false => Err(format!(
            "the third-party migration sets are not in {}: put them there, name their folder in DUNLIN_CORPORA, or leave \
             these tests out with DUNLIN_CORPORA=skip",
            folder.display()
        )),
    }
}

/// The folder itself, or those below it where it holds nothing but folders: Flyway's locations.
fn locations(folder: &Path) -> Vec<PathBuf> {
    let mut below: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    below.sort();
    match below.iter().all(|path| path.is_dir()) {
        true => below,
        false => vec![folder.to_owned()],
    }
}

/// Sends a text as one simple query, or, where that is a transaction in which it can't run, as one for each statement, as
/// `psql` always does.
async fn send(client: &Client, text: &str) {
    let Err(error) = client.batch_execute(text).await else { return };
    assert_eq!(error.code(), Some(&SqlState::ACTIVE_SQL_TRANSACTION), "{error:?} in {text}");
    // Enough for the files that come here: none has a `;` at the end of a line inside a literal or a body.
    for statement in text.split_inclusive(";\n") {
        client.batch_execute(statement).await.unwrap();
    }
}

#[test]
fn missing_sets_are_an_error_unless_they_are_to_be_left_out() {
    let message = find(Some("/no/such/folder".into())).unwrap_err();
    assert!(
        message.starts_with("the third-party migration sets are not in /no/such/folder: put them there"),
        "{message}"
    );
    assert_eq!(find(Some("skip".into())), Ok(None));
}
