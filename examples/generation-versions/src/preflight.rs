use std::{collections::HashSet, fmt};

use tokio_postgres::Client;
use uuid::Uuid;

use crate::{Error, Orphans, Reason, Storage, Tree, files, flat, home::PROJECTS};

/// How many ids are named.
const NAMED: usize = 3;

/// What there is before anything is migrated: it reads, and writes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preflight {
    /// All rows.
    pub generations: u64,
    /// Those whose project is gone.
    pub orphans: u64,
    /// The ids of the first of them, in order.
    pub first_orphans: Vec<Uuid>,
    /// The files that the other rows name and that are there.
    pub files: u64,
    /// The files that they name and that are not there.
    pub missing: u64,
    /// The generations that name those, the first of them.
    pub first_missing: Vec<Uuid>,
    /// The names that no file of the generation can have: paths, and what does not begin with its id.
    pub not_its_own: u64,
    /// What lies flat and is named by no row, or by one whose project is gone. It stays where it is.
    pub unowned: u64,
}

impl Preflight {
    /// Looks at the database, be its schema the old or the new one, and at the storage root.
    ///
    /// # Errors
    ///
    /// When one of them can't be read, and when the root can't be written to.
    pub async fn look(client: &Client, storage: &Storage) -> Result<Self, Error> {
        storage.check_writable()?;
        let tree = Tree::read(storage)?;
        let mut flat: HashSet<String> = files::names(storage.root())?.into_iter().collect();
        flat.remove(PROJECTS);
        let mut preflight = Self::default();
        let sql = "SELECT g.id, g.files, p.id IS NULL AS is_orphan
            FROM generations AS g LEFT JOIN projects AS p ON p.id = g.project_id
            WHERE g.id > $1 ORDER BY g.id LIMIT 5000";
        let mut after = Uuid::nil();
        loop {
            let rows = client.query(sql, &[&after]).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get("id")?;
            for row in &rows {
                let (id, names): (Uuid, Vec<String>) = (row.try_get("id")?, row.try_get("files")?);
                preflight.generations += 1;
                if row.try_get("is_orphan")? {
                    preflight.orphans += 1;
                    name(&mut preflight.first_orphans, id);
                    continue;
                }
                for file in &names {
                    preflight.count(storage, &tree, id, file);
                    if flat::is_own(id, file) {
                        flat.remove(file);
                    }
                }
            }
        }
        preflight.unowned = u64::try_from(flat.len()).unwrap_or_default();
        Ok(preflight)
    }

    /// Says whether the migrations may begin.
    ///
    /// # Errors
    ///
    /// When there are orphans and nobody has said what to do with them, and when not one of the files is there, which speaks for
    /// another storage root.
    pub fn pass(&self, orphans: Orphans) -> Result<(), Error> {
        if self.has_no_file() {
            return Err(Error::NoFiles(self.missing));
        }
        if self.orphans == 0 || orphans == Orphans::Archive {
            return Ok(());
        }
        let (count, of) = (self.orphans, self.generations);
        Err(Error::Orphans { count, of, ids: ids(&self.first_orphans, count) })
    }

    fn has_no_file(&self) -> bool {
        self.files == 0 && self.missing > 0
    }

    fn count(&mut self, storage: &Storage, tree: &Tree, id: Uuid, file: &str) {
        let is_moved = || tree.folder(id).is_some_and(|folder| files::file(&folder.join(file)).is_some());
        match flat::look(storage.root(), id, file) {
            Err(Reason::NotItsOwn) => self.not_its_own += 1,
            Err(_) if !is_moved() => {
                self.missing += 1;
                name(&mut self.first_missing, id);
            }
            _ => self.files += 1,
        }
    }
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generations, orphans, files, missing, not_its_own, unowned, .. } = self;
        writeln!(
            f,
            "orphans         {orphans} of {generations} generations{}",
            ids(&self.first_orphans, *orphans)
        )?;
        writeln!(f, "files found     {files} of {}", files + missing)?;
        let whose = ids(&self.first_missing, *missing);
        writeln!(f, "missing         {missing}, to be noted in manifests{whose}")?;
        writeln!(f, "no file names   {not_its_own}, to be noted in manifests")?;
        write!(f, "nobody's files  {unowned}, which stay where they are")
    }
}

fn name(named: &mut Vec<Uuid>, id: Uuid) {
    if named.len() < NAMED && named.last() != Some(&id) {
        named.push(id);
    }
}

fn ids(named: &[Uuid], count: u64) -> String {
    let texts: Vec<_> = named.iter().map(Uuid::to_string).collect();
    let more = if usize::try_from(count).is_ok_and(|count| count > named.len()) { ", ..." } else { "" };
    if texts.is_empty() { String::new() } else { format!(" ({}{more})", texts.join(", ")) }
}
