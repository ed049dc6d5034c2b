//! Debian's packages of pgbouncer.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Installs it for the whole machine, which takes root.
pub(super) fn install(_: &Path) -> Result<(), Attempt> {
    let command = ["install", "-y", "--no-install-recommends", "pgbouncer"];
    if !Path::new("/proc/self").metadata().is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        return Err(Attempt::new(format!("apt-get {}", command.join(" ")), "needs root"));
    }
    // A fresh machine or container has no package lists.
    run(apt_get(&[]).arg("update"))?;
    run(apt_get(&[]).args(command)).map(drop)
}

/// Downloads it with the libraries that are missing, and unpacks them into the workspace, which takes no privilege.
pub(super) fn unpack(workspace: &Path) -> Result<(), Attempt> {
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(workspace);
    let unfinished = unfinished.map_err(|error| Attempt::new("a folder", error))?;
    // Lists of our own: those of the machine may be missing, and are root's.
    let state = unfinished.path().join("state");
    let cache = unfinished.path().join("cache");
    for folder in [state.join("lists/partial"), cache.join("archives/partial")] {
        fs::create_dir_all(folder).map_err(|error| Attempt::new("a folder", error))?;
    }
    let options = [
        format!("Dir::State={}", state.display()),
        "Dir::State::status=/var/lib/dpkg/status".to_owned(),
        format!("Dir::Cache={}", cache.display()),
        "Debug::NoLocking=1".to_owned(),
        "APT::Sandbox::User=".to_owned(),
    ];
    run(apt_get(&options).arg("update"))?;
    let simulated = run(apt_get(&options).args(["-s", "install", "--no-install-recommends", "pgbouncer"]))?;
    let missing = simulated.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    let missing: Vec<&str> = missing.collect();
    let packages = if missing.is_empty() { vec!["pgbouncer"] } else { missing };
    run(apt_get(&options).arg("download").args(packages).current_dir(unfinished.path()))?;

    let root = unfinished.path().join("root");
    let archives =
        fs::read_dir(unfinished.path()).map_err(|error| Attempt::new("what was downloaded", error))?;
    for archive in archives.flatten().map(|entry| entry.path()) {
        if archive.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(&archive).arg(&root))?;
        }
    }
    let home = unpacked(workspace);
    // It was looked at before anything was downloaded, and did not run.
    let _ = fs::remove_dir_all(&home);
    fs::rename(&root, &home).map_err(|error| Attempt::new("what was unpacked", error))
}

/// Where [`unpack`] leaves it.
pub(super) fn unpacked(workspace: &Path) -> PathBuf {
    workspace.join("root")
}

fn apt_get(options: &[String]) -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-q").env("DEBIAN_FRONTEND", "noninteractive");
    options.iter().for_each(|option| {
        command.args(["-o", option]);
    });
    command
}

/// Runs a command to its end, and returns what it printed.
fn run(command: &mut Command) -> Result<String, Attempt> {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let shown: Vec<_> =
        [command.get_program().to_string_lossy().into_owned()].into_iter().chain(arguments).collect();
    let failed = |why: String| Attempt::new(shown.join(" "), why);
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    Err(failed(last.map_or_else(|| output.status.to_string(), str::to_owned)))
}

/// A way that was tried in vain.
#[derive(Debug)]
pub(super) struct Attempt {
    what: String,
    why: String,
}

impl Attempt {
    pub(super) fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}
