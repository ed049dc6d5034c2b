//! Runs cargo and takes the time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use benches::Failure;

use crate::workspace::Workspace;

/// A call of cargo in the workspace.
pub(crate) struct Cargo(Command);

/// What a call has cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Cost {
    /// The least of either.
    pub(crate) fn best(costs: &[Self]) -> Option<Self> {
        let wall = costs.iter().map(|cost| cost.wall).min()?;
        Some(Self { wall, cpu: costs.iter().map(|cost| cost.cpu).min()? })
    }
}

impl Cargo {
    pub(crate) fn new(workspace: &Workspace) -> Self {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(workspace.path()).stdin(Stdio::null());
        // Of the cargo that started this program.
        for (name, _) in std::env::vars()
            .filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
        Self(command)
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.args(args);
        self
    }

    pub(crate) fn target(mut self, folder: &Path) -> Self {
        self.0.env("CARGO_TARGET_DIR", folder);
        self
    }

    pub(crate) fn run(mut self) -> Result<Cost, Failure> {
        let (began, cpu) = (Instant::now(), cpu_of_children());
        let output = self.0.output()?;
        let cost = Cost { wall: began.elapsed(), cpu: cpu_of_children().saturating_sub(cpu) };
        if output.status.success() {
            Ok(cost)
        } else {
            Err(format!("{:?}:\n{}", self.0, String::from_utf8_lossy(&output.stderr)).into())
        }
    }
}

/// User and system time of all processes that this one and its children have waited for. Zero where there is no `/proc`.
fn cpu_of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is in parentheses and may hold anything; `cutime` and `cstime` are the 16th and 17th, in ticks of
    // USER_HZ, which is 100 on every Linux that Rust runs on.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
