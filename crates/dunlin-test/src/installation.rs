use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    account::Account,
    error::Attempt,
    version::{OLDEST, Version},
};

/// Folders of the usual packages; a `*` stands for a part of one name.
const PACKAGED: &[&str] = &[
    "/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
    "/usr/pgsql-*/bin",                  // the PostgreSQL project's own packages for RHEL
    "/usr/libexec/postgresql*",          // Alpine
    "/opt/homebrew/opt/postgresql*/bin", // Homebrew
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin", // from source
];

/// PostgreSQL binaries that the account can run.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    bin: PathBuf,
    version: Version,
    banner: String,
}

impl Installation {
    /// Looks at the folder, and runs its `postgres --version` as the account will.
    pub(crate) fn probe(bin: &Path, account: &Account) -> Result<Self, String> {
        for program in ["initdb", "postgres"] {
            if !bin.join(program).exists() {
                return Err(format!("has no `{program}`"));
            }
        }
        for program in ["initdb", "postgres"] {
            let output = account
                .command(bin.join(program))
                .arg("--version")
                .output()
                .map_err(|error| format!("`{program}` can't be run by {}: {error}", account.name()))?;
            if !output.status.success() {
                return Err(format!("`{program} --version` failed: {}", last_lines(&output.stderr)));
            }
            if program == "postgres" {
                let banner = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                let version: Version = banner.parse()?;
                if version.major() < OLDEST {
                    return Err(format!("has PostgreSQL {version}, {OLDEST} is the oldest that is used"));
                }
                return Ok(Self { bin: bin.to_owned(), version, banner });
            }
        }
        Err("has no `postgres`".to_owned())
    }

    /// Returns the first of the folders that holds the wanted version, or why each of them doesn't do.
    pub(crate) fn first_of(
        folders: impl IntoIterator<Item = PathBuf>,
        wanted: Option<u32>,
        account: &Account,
    ) -> Result<Self, Vec<Attempt>> {
        let mut attempts = Vec::new();
        let mut seen = BTreeSet::new();
        for folder in folders {
            if !seen.insert(fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone())) {
                continue;
            }
            let why = match Self::probe(&folder, account) {
                Ok(found) if wanted.is_none_or(|major| found.version.major() == major) => return Ok(found),
                Ok(found) => format!("has PostgreSQL {}", found.version),
                Err(why) => why,
            };
            attempts.push(Attempt::new(folder.display().to_string(), why));
        }
        Err(attempts)
    }

    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// What `postgres --version` prints: version and build.
    pub(crate) fn banner(&self) -> &str {
        &self.banner
    }
}

/// The folders of this machine that may hold PostgreSQL binaries, the preferred first.
pub(crate) fn installed() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    // Every PATH has folders without PostgreSQL: they are not worth a word.
    folders.retain(|folder| folder.join("initdb").exists());
    folders.iter_mut().for_each(|folder| *folder = resolved(folder));

    if let Ok(output) = Command::new("pg_config").arg("--bindir").output()
        && output.status.success()
    {
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        // Debian's libpq-dev has a pg_config that names a folder without a server.
        if folder.join("initdb").exists() {
            folders.push(folder);
        }
    }
    for pattern in PACKAGED {
        folders.extend(matching(pattern));
    }
    folders
}

/// Follows links like `/usr/local/bin/postgres`: where the server itself is, `pg_dump` and its kin are too.
fn resolved(folder: &Path) -> PathBuf {
    fs::canonicalize(folder.join("postgres"))
        .ok()
        .and_then(|postgres| postgres.parent().map(Path::to_owned))
        .filter(|real| real.join("initdb").exists())
        .unwrap_or_else(|| folder.to_owned())
}

/// The folders that match the pattern, the highest version first.
pub(crate) fn matching(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return Some(PathBuf::from(pattern)).filter(|folder| folder.is_dir()).into_iter().collect();
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let mut found: Vec<(Vec<u32>, PathBuf)> = fs::read_dir(format!("{parent}/"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix(prefix)?;
            let folder = PathBuf::from(format!("{before}{rest}{after}"));
            folder.is_dir().then(|| (numbers(rest), folder))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, folder)| folder).collect()
}

/// The numbers in a text, for ordering by version.
pub(crate) fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// The last lines of what a program said, short enough for an error.
pub(crate) fn last_lines(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(2);
    let text = lines.get(from..).unwrap_or_default().join("; ");
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_to_where_everything_is() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        for folder in ["real", "links"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        for program in ["initdb", "postgres"] {
            fs::write(home.join("real").join(program), "").unwrap();
            std::os::unix::fs::symlink(home.join("real").join(program), home.join("links").join(program))
                .unwrap();
        }

        assert_eq!(resolved(&home.join("links")), home.join("real"));
        assert_eq!(resolved(&home.join("nowhere")), home.join("nowhere"));
    }

    #[test]
    fn higher_versions_come_first() {
        let home = tempfile::tempdir().unwrap();
        for version in ["9.6", "10", "17", "9.10", "17.10", "notes"] {
            fs::create_dir_all(home.path().join(format!("pg-{version}/bin"))).unwrap();
        }
        fs::create_dir(home.path().join("pg-20")).unwrap();

        let found = matching(&format!("{}/pg-*/bin", home.path().display()));

        let names: Vec<_> = found
            .iter()
            .map(|folder| folder.strip_prefix(home.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(
            names,
            ["pg-17.10/bin", "pg-17/bin", "pg-10/bin", "pg-9.10/bin", "pg-9.6/bin", "pg-notes/bin"]
        );
    }
}
