//! A database and a storage root for a test, and what lies in them.

use std::{collections::BTreeMap, fs, path::Path};

use dunlin::{Report, Target};
use dunlin_test::{Database, Server};
use futures_util::TryStreamExt;
use generation_versions::{Checks, Orphans, Rollback, Seed, Sown, Storage, migrator, roll_back};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Not many, and one of each kind among them.
pub(crate) const FEW: Seed = Seed { seed: 3, projects: 4, generations: 26 };
/// Few enough to be tried at each step.
pub(crate) const TINY: Seed = Seed { seed: 3, projects: 2, generations: 12 };

/// A database and a storage root, as the old program has left them.
pub(crate) struct Place {
    pub(crate) database: Database,
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
    pub(crate) storage: Storage,
    pub(crate) sown: Sown,
}

impl Place {
    pub(crate) async fn old(seed: Seed) -> Self {
        let database = Server::shared().await.unwrap().create_database().await.unwrap();
        let client = database.connect().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path()).unwrap();
        let mut place = Self { database, client, folder, storage, sown: Sown::default() };
        place.migrate_to(1).await;
        place.sown = seed.sow(&place.client, place.storage.root()).await.unwrap();
        place
    }

    /// With versions, and all files flat.
    pub(crate) async fn flat(seed: Seed) -> Self {
        let place = Self::old(seed).await;
        place.migrate_to(8).await;
        place
    }

    /// With everything migrated.
    pub(crate) async fn new(seed: Seed) -> Self {
        let place = Self::old(seed).await;
        place.migrate(Orphans::Archive).await.unwrap();
        place
    }

    pub(crate) async fn migrate_to(&self, version: i64) {
        let migrator = migrator(&self.storage, Orphans::Archive);
        let target = Target::Version(version);
        dunlin::migrate_to(&self.database.config(), NoTls, &migrator, target).await.unwrap();
    }

    pub(crate) async fn migrate(&self, orphans: Orphans) -> Result<Report, dunlin::Error> {
        dunlin::migrate(&self.database.config(), NoTls, &migrator(&self.storage, orphans)).await
    }

    pub(crate) async fn roll_back(&self, rollback: Rollback) {
        roll_back(&self.database.config(), &self.storage, rollback, |migrator| migrator).await.unwrap();
    }

    pub(crate) fn root(&self) -> &Path {
        self.storage.root()
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Item> {
        files(self.root())
    }

    /// All that the tables of the old program hold, in the order of their keys.
    pub(crate) async fn rows(&self) -> Vec<u8> {
        let columns = "id, project_id, created_at, prompt, parameters, files";
        let mut rows = Vec::new();
        for sql in [
            "SELECT id, name, created_at FROM projects ORDER BY id".to_owned(),
            format!("SELECT {columns} FROM generations ORDER BY id"),
        ] {
            let chunks = self.client.copy_out(&format!("COPY ({sql}) TO STDOUT")).await.unwrap();
            rows.extend(chunks.try_collect::<Vec<_>>().await.unwrap().concat());
        }
        rows
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Fails unless all that has to be true is.
    pub(crate) async fn check(&self) {
        let checks = Checks::run(&self.client, &self.storage).await.unwrap();
        assert!(checks.pass(), "{checks}");
    }
}

/// What lies under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    File(Vec<u8>),
    Link(String),
    Folder,
}

pub(crate) fn files(root: &Path) -> BTreeMap<String, Item> {
    let entries = walkdir::WalkDir::new(root).min_depth(1).into_iter().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let item = if entry.path_is_symlink() {
            Item::Link(fs::read_link(entry.path()).unwrap().to_str().unwrap().to_owned())
        } else if entry.file_type().is_dir() {
            Item::Folder
        } else {
            Item::File(fs::read(entry.path()).unwrap())
        };
        (name, item)
    });
    entries.collect()
}
