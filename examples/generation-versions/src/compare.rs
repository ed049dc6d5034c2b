use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    Entry, Error, Manifest, Storage, files,
    home::{self, GENERATIONS, PROJECTS},
    project_folder,
};

/// What is different in two versions of a project, by their manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What is compared: the versions.
    pub versions: (i32, i32),
    /// Values that differ: what it is, and how it is written in each.
    pub values: Vec<(String, Option<String>, Option<String>)>,
    /// Files that differ, by what follows the id of the generation in their names; `None` is one that is not there.
    pub files: Vec<(String, Option<Entry>, Option<Entry>)>,
    /// How many files are the same.
    pub same_files: usize,
}

/// Compares two versions of a project. It reads the two manifests, and asks no database.
///
/// # Errors
///
/// When there is no such version under the storage root, or its manifest can't be read.
pub fn compare(storage: &Storage, project: &str, versions: (i32, i32)) -> Result<Comparison, Error> {
    let (old, new) = (read(storage, project, versions.0)?, read(storage, project, versions.1)?);
    let mut values = Vec::new();
    differ(
        &mut values,
        "prompt",
        Some(&Value::from(old.prompt.clone())),
        Some(&Value::from(new.prompt.clone())),
    );
    differ(&mut values, "", Some(&old.parameters), Some(&new.parameters));
    let (mut files, mut same_files) = (Vec::new(), 0);
    let names: BTreeSet<_> =
        [&old, &new].into_iter().flat_map(|side| side.files.iter().map(|entry| part(side, entry))).collect();
    for name in names {
        let entry = |side: &Manifest| side.files.iter().find(|entry| part(side, entry) == name).cloned();
        match (entry(&old), entry(&new)) {
            (Some(a), Some(b)) if a.sha256 == b.sha256 => same_files += 1,
            (a, b) => files.push((name, a, b)),
        }
    }
    Ok(Comparison { versions, values, files, same_files })
}

fn read(storage: &Storage, project: &str, version: i32) -> Result<Manifest, Error> {
    let folder = find(storage.root(), project, version)?;
    let manifest = folder.map(|folder| Manifest::read(&folder)).transpose()?.flatten();
    manifest.ok_or_else(|| Error::NoVersion { project: project.to_owned(), version })
}

fn find(root: &Path, project: &str, version: i32) -> Result<Option<PathBuf>, Error> {
    let above = root.join(PROJECTS).join(project_folder(project)).join(GENERATIONS);
    let names = files::names(&above)?;
    let name = names.iter().find(|name| home::parse(name).is_some_and(|(found, _)| found == version));
    Ok(name.map(|name| above.join(name)))
}

/// What a file is in its generation: the names differ, as each begins with an id.
fn part(manifest: &Manifest, entry: &Entry) -> String {
    let id = manifest.generation.to_string();
    entry
        .name
        .strip_prefix(&id)
        .map_or_else(|| entry.name.clone(), |part| part.trim_start_matches(['_', '-']).to_owned())
}

/// Goes down into objects, and notes each value that is not the same.
fn differ(
    found: &mut Vec<(String, Option<String>, Option<String>)>,
    name: &str,
    old: Option<&Value>,
    new: Option<&Value>,
) {
    if old == new {
        return;
    }
    let (Some(Value::Object(a)), Some(Value::Object(b))) = (old, new) else {
        found.push((name.to_owned(), old.map(Value::to_string), new.map(Value::to_string)));
        return;
    };
    for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        differ(found, &name, a.get(key), b.get(key));
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { versions, values, files, same_files } = self;
        writeln!(f, "version {} against {}", versions.0, versions.1)?;
        let none = || "-".to_owned();
        // Sizes alone may be the same.
        let file = |entry: &Option<Entry>| {
            let text = |entry: &Entry| {
                format!("{} bytes {}", entry.bytes, entry.sha256.get(..8).unwrap_or_default())
            };
            entry.as_ref().map_or_else(none, text)
        };
        let values = values.iter().map(|(name, old, new)| {
            (name, old.clone().unwrap_or_else(none), new.clone().unwrap_or_else(none))
        });
        let files = files.iter().map(|(name, old, new)| (name, file(old), file(new)));
        // A name may hold anything, and goes to a terminal.
        let lines = values.chain(files).map(|(name, old, new)| (name.escape_debug().to_string(), old, new));
        let lines: Vec<_> = lines.collect();
        let width = lines.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or_default();
        for (name, old, new) in &lines {
            writeln!(f, "{name:<width$}  {old} -> {new}")?;
        }
        write!(f, "{} differences, {same_files} files the same", lines.len())
    }
}
