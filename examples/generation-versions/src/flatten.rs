use std::{fmt, path::Path};

use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    Error, Hold,
    absorb::discard,
    files::{self, INCOMING, are_same},
    flat,
    home::{ACTIVE, GENERATIONS, PROJECTS},
    links, manifest,
    sweep::begin,
};

/// What was moved back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flattened {
    /// Generations that lie flat again.
    pub generations: u64,
    /// Their files.
    pub files: u64,
}

impl fmt::Display for Flattened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} generations with {} files lie flat", self.generations, self.files)
    }
}

/// Moves the files of all folders of generations back under the storage root, and removes the folders. It goes by what lies there:
/// the database may know of versions, or no longer.
///
/// For each generation: its files get their flat names back, beside those that they have; the database says that it is
/// flat; the folder goes.
///
/// # Errors
///
/// What the file system or the server says; a file in a folder that is not its generation's, and a flat file that is another than the
/// one that would take its place: nothing is overwritten.
///
/// # Cancel safety
///
/// As [`sweep`](crate::sweep).
pub async fn flatten(
    hold: &Hold,
    client: &Client,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<Flattened, Error> {
    let tree = hold.blocking(begin).await?;
    let knows = "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute
        WHERE attrelid = to_regclass('generations') AND attname = 'storage_path' AND NOT attisdropped)";
    let has_paths: bool = client.query_one(knows, &[]).await?.try_get(0)?;
    let total = u64::try_from(tree.len()).unwrap_or_default();
    let mut report = Flattened::default();
    for (id, folder) in tree.folders() {
        let back = folder.to_owned();
        report.files += hold.blocking(move |hold| give_back(hold, id, &back)).await?;
        if has_paths {
            hold.storage().step("record", folder)?;
            client.execute("UPDATE generations SET storage_path = NULL WHERE id = $1", &[&id]).await?;
        }
        let folder = folder.to_owned();
        hold.blocking(move |hold| discard(hold, &folder)).await?;
        report.generations += 1;
        tell(report.generations, total);
    }
    let projects = tree.projects()?;
    hold.blocking(move |hold| {
        projects.iter().try_for_each(|project| {
            links::remove(hold, &project.join(ACTIVE))?;
            hold.remove_file(&project.join(INCOMING))?;
            hold.remove_folder_if_empty(&project.join(GENERATIONS))?;
            hold.remove_folder_if_empty(project)
        })?;
        hold.remove_folder_if_empty(&hold.root().join(PROJECTS))
    })
    .await?;
    if has_paths {
        nothing_is_gone(client).await?
    }
    Ok(report)
}

/// Gives the files in a folder their flat names; returns how many there are.
fn give_back(hold: &Hold, id: Uuid, folder: &Path) -> Result<u64, Error> {
    let mut own = files::names(folder)?;
    own.retain(|name| !matches!(name.as_str(), manifest::NAME | INCOMING));
    if let Some(stranger) =
        own.iter().find(|name| !flat::is_own(id, name) || files::file(&folder.join(name)).is_none())
    {
        return Err(Error::Stranger(folder.join(stranger)));
    }
    for name in &own {
        let (from, to) = (folder.join(name), hold.root().join(name));
        if are_same(&from, &to)? {
            continue;
        }
        if std::fs::symlink_metadata(&to).is_ok() {
            return Err(Error::Conflict(to, from));
        }
        hold.link(&from, &to)?;
    }
    hold.sync_folder(hold.root())?;
    Ok(u64::try_from(own.len()).unwrap_or_default())
}

/// What the database has in a folder has to have been in one.
async fn nothing_is_gone(client: &Client) -> Result<(), Error> {
    let rows =
        client.query("SELECT storage_path FROM generations WHERE storage_path IS NOT NULL ORDER BY id", &[]);
    let rows = rows.await?;
    match rows.first() {
        Some(first) => Err(Error::Gone { count: rows.len(), first: first.try_get(0)? }),
        None => Ok(()),
    }
}
