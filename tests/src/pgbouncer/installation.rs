use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, iter};

use crate::pgbouncer::packages::{self, Attempt};

/// The folders of system programs are not on everybody's path.
const USUAL: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/// A pgbouncer that can be run.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    program: PathBuf,
    libraries: Option<PathBuf>,
}

impl Installation {
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Where the libraries of an unpacked one are.
    pub(super) fn libraries(&self) -> Option<&Path> {
        self.libraries.as_deref()
    }

    /// The one of this machine, else one that is installed now: by one process at a time, and the others use what it has
    /// got. The error lists what was tried.
    pub(super) fn find_or_install() -> Result<Self, String> {
        let workspace = workspace();
        if let Some(found) = Self::find(&workspace) {
            return Ok(found);
        }
        let failed = |error: std::io::Error| format!("can't write {}: {error}", workspace.display());
        fs::create_dir_all(&workspace).map_err(failed)?;
        let lock = File::create(workspace.join("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        if let Some(found) = Self::find(&workspace) {
            return Ok(found);
        }
        let mut attempts = Vec::new();
        for way in [packages::install, packages::unpack] {
            match way(&workspace) {
                Ok(()) => match Self::find(&workspace) {
                    Some(found) => return Ok(found),
                    None => attempts.push(Attempt::new("what was installed", "does not run")),
                },
                Err(attempt) => attempts.push(attempt),
            }
        }
        let tried: Vec<_> = attempts.iter().map(Attempt::to_string).collect();
        Err(format!(
            "no `pgbouncer` on PATH or in {}: install it; tried:\n  {}",
            USUAL.join(", "),
            tried.join("\n  ")
        ))
    }

    fn find(workspace: &Path) -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(USUAL.map(PathBuf::from));
        let installed = folders.map(|folder| Self { program: folder.join("pgbouncer"), libraries: None });
        installed.chain(iter::once(Self::unpacked(workspace))).find(Self::runs)
    }

    fn unpacked(workspace: &Path) -> Self {
        let root = packages::unpacked(workspace);
        let libraries = root.join(format!("usr/lib/{}-linux-gnu", env::consts::ARCH));
        Self { program: root.join("usr/sbin/pgbouncer"), libraries: Some(libraries) }
    }

    fn runs(&self) -> bool {
        let mut version = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            version.env("LD_LIBRARY_PATH", libraries);
        }
        version.arg("--version").output().is_ok_and(|output| output.status.success())
    }
}

/// `dunlin-pgbouncer` in Cargo's target folder, which has a mark in it.
fn workspace() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(env::temp_dir, Path::to_owned).join("dunlin-pgbouncer")
}
