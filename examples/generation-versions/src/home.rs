use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::project_folder;

/// What all that is not flat is in.
pub(crate) const PROJECTS: &str = "projects";
/// What the versions of a project are in.
pub(crate) const GENERATIONS: &str = "generations";
/// The link to the version that is active.
pub(crate) const ACTIVE: &str = "active";
/// What a folder is called beside its own name while it is made or removed. It never holds the only copy of anything.
const PARTIAL: &str = ".partial";

/// The folder of a generation: `projects/{project}/generations/v{version}__{id}`, from the storage root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    project: String,
    name: String,
}

impl Home {
    pub(crate) fn of(project: &str, version: i32, id: Uuid) -> Self {
        Self { project: project_folder(project), name: format!("v{version}__{id}") }
    }

    /// As the database has it, whatever this system's separator is.
    pub(crate) fn relative(&self) -> String {
        format!("{PROJECTS}/{}/{GENERATIONS}/{}", self.project, self.name)
    }

    pub(crate) fn below(&self, root: &Path) -> PathBuf {
        root.join(PROJECTS).join(&self.project).join(GENERATIONS).join(&self.name)
    }
}

/// The version and the generation of a folder with such a name.
pub(crate) fn parse(name: &str) -> Option<(i32, Uuid)> {
    let (version, id) = name.strip_prefix('v')?.split_once("__")?;
    let (version, id): (i32, Uuid) = (version.parse().ok()?, id.parse().ok()?);
    (format!("v{version}__{id}") == name).then_some((version, id))
}

/// What a folder is called while it is made or removed.
pub(crate) fn partial(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}{PARTIAL}"))
}

pub(crate) fn is_partial(name: &str) -> bool {
    name.strip_prefix('.')
        .and_then(|name| name.strip_suffix(PARTIAL))
        .is_some_and(|name| parse(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_says_which_version_of_what_it_is() {
        let id = Uuid::from_u128(7);
        let home = Home::of("a/b", 12, id);
        assert_eq!(home.relative(), "projects/a%2Fb/generations/v12__00000000-0000-0000-0000-000000000007");
        let below = home.below(Path::new("/r"));
        assert_eq!(parse(&below.file_name().unwrap().to_string_lossy()), Some((12, id)));
        assert!(is_partial(&partial(&below).file_name().unwrap().to_string_lossy()));
        for other in ["v01__00000000-0000-0000-0000-000000000007", "v1__x", "active", "v1", ".partial"] {
            assert!(parse(other).is_none() && !is_partial(other), "{other}");
        }
    }
}
