//! A process that runs tests, from the outside.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use dunlin::BoxError;
use tokio::process::{Child, Command};

/// How long a worker may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A process that runs. It is killed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

/// How a process has ended.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Killed, so it has said nothing.
    pub(crate) was_killed: bool,
    pub(crate) databases: Vec<String>,
    pub(crate) wrong: Vec<String>,
    pub(crate) folder: Option<PathBuf>,
}

impl Process {
    /// Starts the program with these arguments, and an environment with these variables and none of ours.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        variables: &[(&'static str, String)],
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        for name in ["DATABASE_URL", "DUNLIN_TEST_KEEP"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).spawn().map(Self)
    }

    /// Kills it with -9.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.start_kill();
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool, BoxError> {
        Ok(self.0.try_wait()?.is_some())
    }

    /// Ends its input, which is what a bystander waits for.
    pub(crate) fn end_input(&mut self) {
        drop(self.0.stdin.take());
    }

    /// Its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits until it has ended.
    pub(crate) async fn end(mut self) -> Result<Said, BoxError> {
        // Its end would be the worker's.
        let _stdin = self.0.stdin.take();
        let output = tokio::time::timeout(PATIENCE, self.0.wait_with_output()).await;
        let Output { status, stdout, stderr } = output.map_err(|_| "a worker does not end")??;
        let mut said = Said { was_killed: status.code().is_none(), ..Said::default() };
        for line in String::from_utf8_lossy(&stdout).lines() {
            match line.split_once(' ') {
                Some(("folder", folder)) => said.folder = Some(folder.into()),
                Some(("database", name)) => said.databases.push(name.to_owned()),
                Some(("wrong", what)) => said.wrong.push(what.to_owned()),
                _ => {}
            }
        }
        if !status.success() && !said.was_killed && said.wrong.is_empty() {
            said.wrong.push(format!("a worker failed: {}", String::from_utf8_lossy(&stderr).trim()));
        }
        Ok(said)
    }
}
