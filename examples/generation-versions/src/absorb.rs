//! One generation: its flat files get into its folder.
//!
//! Each function looks at what is there and does what is left to do. Killed at any step, and called again, it ends in the same way.

use std::path::{Path, PathBuf};

use crate::{
    Entry, Error, Hold, Manifest, Missing, Reason,
    files::{are_same, file},
    flat,
    generation::Generation,
    home::partial,
    manifest,
};

/// A generation whose folder has all that there is of it. Its flat files are there as well.
#[derive(Clone, Debug)]
pub(crate) struct Absorbed {
    pub(crate) storage_path: String,
    /// Whether its folder was there before.
    pub(crate) was_there: bool,
    pub(crate) missing: usize,
}

/// Gives the files of a generation a second name in its folder. `known` is the folder that it has.
pub(crate) fn absorb(hold: &Hold, generation: &Generation, known: Option<&Path>) -> Result<Absorbed, Error> {
    let home = generation.home();
    let folder = home.below(hold.root());
    let made = match known {
        Some(known) => {
            adopt(hold, known, &folder)?;
            folder.clone()
        }
        None => begin(hold, &folder)?,
    };
    for name in &generation.files {
        let (from, to) = (hold.root().join(name), made.join(name));
        if flat::look(hold.root(), generation.id, name).is_ok() && !are_same(&from, &to)? {
            hold.link(&from, &to)?;
        }
    }
    let old = Manifest::read(&made)?;
    let new = describe(hold, generation, &made, old.as_ref())?;
    if old.as_ref() != Some(&new) {
        hold.write(&made.join(manifest::NAME), new.text()?.as_bytes())?;
    }
    hold.sync_folder(&made)?;
    if made != folder {
        // From here on it is there, and whole.
        hold.rename(&made, &folder)?;
    }
    hold.sync_above(&folder)?;
    Ok(Absorbed { storage_path: home.relative(), was_there: known.is_some(), missing: new.missing.len() })
}

/// Removes the flat files of a generation that its folder has as they are.
pub(crate) fn clear_flat(hold: &Hold, generation: &Generation) -> Result<(), Error> {
    let folder = generation.home().below(hold.root());
    for name in &generation.files {
        let from = hold.root().join(name);
        // One that was written again meanwhile stays, and is absorbed by the next pass.
        if flat::look(hold.root(), generation.id, name).is_ok() && are_same(&from, &folder.join(name))? {
            hold.remove_file(&from)?;
        }
    }
    Ok(())
}

/// Takes a folder away of which everything lies flat as well.
pub(crate) fn discard(hold: &Hold, folder: &Path) -> Result<(), Error> {
    let removed = partial(folder);
    hold.rename(folder, &removed)?;
    hold.remove_folder(&removed)
}

/// A folder from before the database was rolled back may be that of another version by now.
fn adopt(hold: &Hold, known: &Path, folder: &Path) -> Result<(), Error> {
    if known == folder {
        return Ok(());
    }
    folder.parent().map_or(Ok(()), |above| hold.create_folder(above))?;
    hold.rename(known, folder)?;
    hold.sync_above(known)
}

/// Begins a folder, beside the place that it will have.
fn begin(hold: &Hold, folder: &Path) -> Result<PathBuf, Error> {
    let made = partial(folder);
    if made.is_dir() {
        hold.remove_folder(&made)?;
    }
    folder.parent().map_or(Ok(()), |above| hold.create_folder(above))?;
    hold.create_fleeting_folder(&made)?;
    Ok(made)
}

/// What the folder holds now.
fn describe(
    hold: &Hold,
    generation: &Generation,
    folder: &Path,
    old: Option<&Manifest>,
) -> Result<Manifest, Error> {
    let (mut entries, mut missing): (Vec<Entry>, Vec<Missing>) = Default::default();
    for (index, name) in generation.files.iter().enumerate() {
        if generation.files.iter().take(index).any(|before| before == name) {
            continue;
        }
        let looked = flat::look(hold.root(), generation.id, name);
        let is_here = looked != Err(Reason::NotItsOwn) && file(&folder.join(name)).is_some();
        match (looked, old.and_then(|old| old.entry(name))) {
            // What is not flat any more is what it was described as.
            (Err(_), Some(entry)) => entries.push(intact(folder, entry)?),
            (_, _) if is_here => entries.push(Entry::of(folder, name)?),
            (looked, _) => {
                let reason = looked.err().unwrap_or(Reason::NotThere);
                missing.push(Missing { name: name.clone(), reason });
            }
        }
    }
    for entry in old.iter().flat_map(|old| &old.files) {
        if !generation.files.contains(&entry.name) {
            entries.push(intact(folder, entry)?);
        }
    }
    Ok(Manifest {
        project: generation.project.clone(),
        generation: generation.id,
        version: generation.version,
        created_at: generation.created_at.clone(),
        prompt: generation.prompt.clone(),
        parameters: generation.parameters.clone(),
        files: entries,
        missing,
    })
}

fn intact(folder: &Path, entry: &Entry) -> Result<Entry, Error> {
    let path = folder.join(&entry.name);
    match file(&path) {
        Some(found) if found.len() == entry.bytes => Ok(entry.clone()),
        _ => Err(Error::Damaged(path)),
    }
}
