//! A workspace of its own, so that all programs share one lock file.

use std::fs;
use std::path::{Path, PathBuf};

use benches::{Failure, Script};
use tempfile::TempDir;

use crate::build::Cargo;
use crate::program::{Folder, Program};

pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub(crate) fn create(peers: &[Program]) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("dunlin-compile-cost-").tempdir()?;
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let crates = here.join("../crates").canonicalize()?;
        let programs = [Program::BARE, Program::DUNLIN, Program::NONE, Program::THOUSAND];
        let programs: Vec<_> = programs.iter().chain(peers).collect();
        let members: Vec<_> = programs.iter().map(|program| format!("{:?}", program.name)).collect();
        let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n", members.join(", "));
        fs::write(folder.path().join("Cargo.toml"), manifest)?;
        fs::copy(here.join("../Cargo.lock"), folder.path().join("Cargo.lock"))?;
        for program in programs {
            let package = folder.path().join(program.name);
            fs::create_dir_all(package.join("src"))?;
            fs::write(package.join("Cargo.toml"), program.manifest(&crates.to_string_lossy()))?;
            fs::write(package.join("src/main.rs"), program.main)?;
            write_migrations(&package.join("migrations"), program.folder)?;
        }
        Ok(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn package(&self, program: &Program) -> PathBuf {
        self.path().join(program.name)
    }

    /// Downloads all dependencies, and forgets those in the lock file that nobody needs.
    pub(crate) fn fetch(&self) -> Result<(), Failure> {
        Cargo::new(self).args(["fetch"]).run()?;
        // The first call of the day may update the compiler's and cargo's own caches.
        Cargo::new(self).args(["metadata", "--offline", "--format-version", "1"]).run()?;
        Ok(())
    }
}

fn write_migrations(folder: &Path, which: Folder) -> Result<(), Failure> {
    let scripts = Script::first(if which == Folder::Thousand { 1_000 } else { 1 });
    let Some(first) = scripts.first() else { return Ok(()) };
    fs::create_dir_all(folder)?;
    match which {
        Folder::None => {}
        Folder::One => fs::write(folder.join("0001_init.sql"), &first.sql)?,
        Folder::Refinery => fs::write(folder.join("V1__init.sql"), &first.sql)?,
        Folder::Diesel => {
            fs::create_dir_all(folder.join("0001_init"))?;
            fs::write(folder.join("0001_init/up.sql"), &first.sql)?;
        }
        Folder::Thousand => {
            for Script { version, name, sql } in &scripts {
                fs::write(folder.join(format!("{version:04}_{name}.sql")), sql)?;
            }
        }
    }
    Ok(())
}
