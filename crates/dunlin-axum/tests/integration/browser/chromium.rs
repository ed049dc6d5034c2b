//! A Chromium, a node and what is had from npm.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tokio::sync::OnceCell;

/// What Debian and others call it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// How long all that one check does may take.
const PATIENCE: Duration = Duration::from_secs(300);

const CHECKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/browser");

/// What it takes to look at a page.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    chromium: PathBuf,
    /// Where `checks.mjs` runs, with the packages of its `package-lock.json`.
    workspace: PathBuf,
    screenshots: PathBuf,
}

impl Browser {
    /// Finds what is needed or installs it: as root for the whole machine, else below Cargo's target folder. Says so where
    /// nothing can be had.
    pub(crate) async fn find() -> Option<Self> {
        static FOUND: OnceCell<Option<Browser>> = OnceCell::const_new();
        let look = async || {
            let found = tokio::task::spawn_blocking(Self::find_or_install).await.expect("nobody aborts it");
            // The harness shows nothing that a test prints which passes, but what it writes itself.
            found
                .map_err(|why| {
                    write!(std::io::stderr(), "\n*** SKIPPED: the page is not looked at: {why}\n\n")
                })
                .ok()
        };
        FOUND.get_or_init(look).await.clone()
    }

    /// Runs a check of `checks.mjs` on what is served at this address.
    pub(crate) async fn check(&self, name: &str, address: &str) {
        let mut node = tokio::process::Command::new("node");
        node.arg("checks.mjs").arg(name).arg(address).arg(&self.chromium).arg(&self.screenshots);
        node.current_dir(&self.workspace).kill_on_drop(true).stdin(Stdio::null());
        let output =
            tokio::time::timeout(PATIENCE, node.output()).await.expect("it comes to an end").unwrap();
        assert!(output.status.success(), "{name}:\n{}", said(&output));
    }

    fn find_or_install() -> Result<Self, String> {
        let target = target();
        let workspace = target.join("dunlin-browser");
        let screenshots = target.join("screenshots");
        for folder in [&workspace, &screenshots] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        // Other test processes may come at the same time.
        let lock = File::create(workspace.join("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        if !runs("npm") {
            apt_get(&["nodejs", "npm"])?;
        }
        npm_ci(Path::new(CHECKS), &workspace)?;
        let checks = fs::copy(Path::new(CHECKS).join("checks.mjs"), workspace.join("checks.mjs"));
        checks.map_err(|error| format!("checks.mjs: {error}"))?;
        let installed = || NAMES.into_iter().find(|name| runs(name)).map(PathBuf::from);
        let chromium = match installed() {
            Some(chromium) => which(&chromium),
            None => match apt_get(&["chromium"]) {
                Ok(()) => which(&installed().ok_or("what was installed does not run")?),
                Err(why) => unpacked(&workspace.join("chromium")).map_err(|then| format!("{why}; {then}"))?,
            },
        };
        Ok(Self { chromium, workspace, screenshots })
    }
}

/// Cargo's target folder, which has a mark in it.
fn target() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(env::temp_dir, Path::to_owned)
}

/// The packages of a lock file, unless they are there already.
fn npm_ci(source: &Path, workspace: &Path) -> Result<(), String> {
    let lock = fs::read(source.join("package-lock.json")).map_err(|error| error.to_string())?;
    let mark = workspace.join("node_modules/.installed");
    if fs::read(&mark).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    fs::create_dir_all(workspace).map_err(|error| error.to_string())?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), workspace.join(file)).map_err(|error| format!("{file}: {error}"))?;
    }
    run(Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(workspace))?;
    fs::write(mark, lock).map_err(|error| error.to_string())
}

/// A Chromium from npm, which takes no privilege.
fn unpacked(workspace: &Path) -> Result<PathBuf, String> {
    npm_ci(&Path::new(CHECKS).join("chromium"), workspace)?;
    let script = "import('@sparticuz/chromium').then((it) => it.default.executablePath()).then(console.log)";
    // It unpacks itself where temporary files belong.
    let said =
        run(Command::new("node").args(["-e", script]).current_dir(workspace).env("TMPDIR", workspace))?;
    let chromium = PathBuf::from(said.trim());
    match Command::new(&chromium).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(chromium),
        _ => Err(format!("{} does not run", chromium.display())),
    }
}

fn apt_get(packages: &[&str]) -> Result<(), String> {
    let is_root = run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !is_root {
        return Err(format!("apt-get install {} needs root", packages.join(" ")));
    }
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.arg("-q").env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // A fresh machine or container has no package lists.
    run(apt_get().arg("update"))?;
    run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages)).map(drop)
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The path of a program that is on `PATH`.
fn which(program: &Path) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| program.to_owned())
}

/// Runs a command to its end, and returns what it printed.
fn run(command: &mut Command) -> Result<String, String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{shown}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{shown}: {}", said(&output))),
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
