//! The link of each project to its active generation.

use std::path::{Path, PathBuf};

use tokio_postgres::Client;

use crate::{
    Error, Hold, files,
    home::{ACTIVE, GENERATIONS, PROJECTS},
    platform::link_target,
    project_folder,
};

/// Makes every `active` lead to the generation that the database has for the active one. Where that lies flat, the link stays what
/// it is until it has been moved.
pub(crate) async fn point(hold: &Hold, client: &Client) -> Result<(), Error> {
    let sql = "SELECT p.id, g.id IS NOT NULL AS has_active, g.storage_path
        FROM projects AS p LEFT JOIN generations AS g ON g.id = p.active_generation_id
        WHERE $1::text IS NULL OR p.id > $1 ORDER BY p.id LIMIT 500";
    let mut after: Option<String> = None;
    loop {
        let rows = client.query(sql, &[&after]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.try_get("id")?);
        for row in &rows {
            let (id, has_active): (String, bool) = (row.try_get("id")?, row.try_get("has_active")?);
            let path: Option<String> = row.try_get("storage_path")?;
            let link = hold.root().join(PROJECTS).join(project_folder(&id)).join(ACTIVE);
            match path {
                Some(path) => {
                    let target = target(&path);
                    hold.blocking(move |hold| lead(hold, &link, &target)).await?;
                }
                None if has_active => {}
                None => hold.blocking(move |hold| remove(hold, &link)).await?,
            }
        }
    }
}

/// Removes a link.
pub(crate) fn remove(hold: &Hold, link: &Path) -> Result<(), Error> {
    if link_target(link).is_some() { hold.remove_file(link) } else { Ok(()) }
}

/// Where the link of a project leads: from its own folder.
pub(crate) fn target(storage_path: &str) -> PathBuf {
    Path::new(GENERATIONS).join(storage_path.rsplit('/').next().unwrap_or_default())
}

fn lead(hold: &Hold, link: &Path, target: &Path) -> Result<(), Error> {
    match link_target(link) {
        Some(now) if now == target => Ok(()),
        None if files::file(link).is_some() || link.is_dir() => Err(Error::NoLink(link.to_owned())),
        _ => hold.point(link, target),
    }
}
