use std::{collections::HashSet, fmt, path::Path};

use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    Error, Hold, Manifest, Storage, Tree, files, flat,
    home::{ACTIVE, PROJECTS},
    links, platform, project_folder,
};

/// What has to be true of the database and the storage root when all is migrated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks(Vec<Check>);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What has to be true of each.
    pub name: &'static str,
    /// For how many it is not.
    pub wrong: u64,
    /// How many there are.
    pub of: u64,
}

/// Each gives the number of those that are wrong, and of all.
const SQL: [(&str, &str); 4] = [
    (
        "generations have a project",
        "SELECT count(*) FILTER (WHERE p.id IS NULL), count(*)
         FROM generations AS g LEFT JOIN projects AS p ON p.id = g.project_id",
    ),
    (
        "projects have each version once, none past the latest",
        "SELECT count(*) FILTER (WHERE n.distinct <> n.all OR n.highest > latest_version OR n.lowest < 1), count(*)
         FROM projects AS p LEFT JOIN (
             SELECT project_id, count(DISTINCT version) AS distinct, count(*) AS all, max(version) AS highest,
                min(version) AS lowest FROM generations GROUP BY project_id
         ) AS n ON n.project_id = p.id",
    ),
    (
        "projects with generations have exactly one active",
        "SELECT count(*) FILTER (WHERE active <> 1), count(*)
         FROM (SELECT count(*) FILTER (WHERE is_active) AS active FROM generations GROUP BY project_id) AS n",
    ),
    (
        "projects know their active generation",
        "SELECT count(*) FILTER (WHERE p.active_generation_id IS DISTINCT FROM g.id), count(*)
         FROM projects AS p LEFT JOIN generations AS g ON g.project_id = p.id AND g.is_active",
    ),
];

impl Checks {
    /// Looks at everything: each file is read. The root is held meanwhile, so that nothing is moved.
    ///
    /// # Errors
    ///
    /// When something can't be read, or somebody else has the storage root. What is wrong is no error.
    pub async fn run(client: &Client, storage: &Storage) -> Result<Self, Error> {
        let hold = storage.hold()?;
        let mut checks = Vec::new();
        for (name, sql) in SQL {
            let row = client.query_one(sql, &[]).await?;
            let [wrong, of] = [row.try_get::<_, i64>(0)?, row.try_get(1)?]
                .map(|count| count.try_into().unwrap_or_default());
            checks.push(Check { name, wrong, of });
        }
        let rows = "SELECT g.id, g.project_id, g.version, g.is_active, g.storage_path, g.files FROM generations AS g";
        let mut generations = Vec::new();
        for row in client.query(rows, &[]).await? {
            generations.push(Moved {
                id: row.try_get("id")?,
                project: row.try_get("project_id")?,
                version: row.try_get("version")?,
                is_active: row.try_get("is_active")?,
                storage_path: row.try_get("storage_path")?,
                files: row.try_get("files")?,
            });
        }
        checks.extend(hold.blocking(move |hold| on_disk(hold, &generations)).await?);
        Ok(Self(checks))
    }

    /// Whether all is right.
    #[must_use]
    pub fn pass(&self) -> bool {
        self.0.iter().all(|check| check.wrong == 0)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Check] {
        &self.0
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Check { name, wrong, of }) in self.0.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            let mark = if *wrong == 0 { "ok   " } else { "WRONG" };
            write!(f, "{line_end}{mark}  {name:<58}{:>6} of {of}", of - wrong)?;
        }
        Ok(())
    }
}

struct Moved {
    id: Uuid,
    project: String,
    version: i32,
    is_active: bool,
    storage_path: Option<String>,
    files: Vec<String>,
}

fn on_disk(hold: &Hold, generations: &[Moved]) -> Result<[Check; 6], Error> {
    let tree = Tree::read(hold.storage())?;
    let check = |name| Check { name, wrong: 0, of: 0 };
    let [mut homes, mut owned, mut stored, mut named, mut links, mut flat] = [
        check("generations are in their folder, with its manifest"),
        check("folders have a generation"),
        check("files are what their manifest says"),
        check("files of generations are in the manifest, or missing there"),
        check("links lead to the active generation"),
        check("generations have nothing flat"),
    ];
    for generation in generations {
        let Moved { id, project, version, is_active, storage_path, files } = generation;
        let folder = tree
            .folder(*id)
            .filter(|folder| storage_path.as_ref().is_some_and(|path| *folder == hold.root().join(path)));
        let manifest = folder.map(Manifest::read).transpose()?.flatten();
        let manifest = manifest.filter(|manifest| {
            (&manifest.generation, &manifest.project, &manifest.version) == (id, project, version)
        });
        homes.count(manifest.is_some());
        flat.count(files.iter().all(|name| flat::look(hold.root(), *id, name).is_err()));
        if *is_active {
            let link = hold.root().join(PROJECTS).join(project_folder(project)).join(ACTIVE);
            let target = platform::link_target(&link);
            links.count(storage_path.as_ref().is_some_and(|path| target == Some(links::target(path))));
        }
        if let (Some(folder), Some(manifest)) = (folder, manifest) {
            for entry in &manifest.files {
                let found = checksum(&folder.join(&entry.name))?;
                stored.count(found.is_some_and(|(bytes, sum)| bytes == entry.bytes && sum == entry.sha256));
            }
            let described: HashSet<_> = manifest.files.iter().map(|entry| &entry.name).collect();
            for name in files {
                let is_missing = manifest.missing.iter().any(|missing| missing.name == *name);
                named.count(described.contains(name) != is_missing);
            }
        }
    }
    let known: HashSet<_> = generations.iter().map(|generation| generation.id).collect();
    tree.folders().for_each(|(id, _)| owned.count(known.contains(&id)));
    Ok([homes, owned, stored, named, links, flat])
}

fn checksum(path: &Path) -> Result<Option<(u64, String)>, Error> {
    files::file(path).map(|_| files::checksum(path)).transpose()
}

impl Check {
    fn count(&mut self, is_right: bool) {
        self.of += 1;
        self.wrong += u64::from(!is_right);
    }
}
