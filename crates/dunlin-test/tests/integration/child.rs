//! Processes that own a server: this test binary, started again.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use dunlin_test::{Server, TestDatabase};
use tokio_postgres::config::Host;

use crate::fresh::birds;

const ROLE: &str = "DUNLIN_TEST_ROLE";
/// What a shared server is called: those of one name are one.
const LIKENESS: &str = "DUNLIN_TEST_LIKENESS";

/// Not a test of its own: a test with a database of birds, in a process of its own, on the server that tests share. It
/// says what its database is, and passes, fails, or waits for the end of its input.
#[tokio::test]
async fn run_as_test() {
    let Ok(role) = env::var(ROLE) else { return };
    let database = TestDatabase::fresh(&birds()).await.unwrap();
    let client = database.connect().await.unwrap();
    client.batch_execute("INSERT INTO birds (name) VALUES ('dunlin')").await.unwrap();
    println!("\ndatabase {}\nurl {}\npsql {}\ndone", database.name(), database.url(), database.psql());
    match role.as_str() {
        "fail" => panic!("as it should"),
        "hold" => io::stdin().lines().for_each(drop),
        _ => {}
    }
}

/// Not a test of its own: what the processes below run. It starts a server, tells about it, and, if it is to hold it,
/// waits for the end of its input.
#[tokio::test]
async fn run_as_owner() {
    let Ok(role) = env::var(ROLE) else { return };
    let builder = Server::builder().on_progress(|what| println!("\nprogress {what}"));
    let builder = match role.as_str() {
        "particular" => builder.setting("cluster_name", "particular"),
        "share" => builder.setting("cluster_name", env::var(LIKENESS).unwrap()).shared(),
        _ => builder,
    };
    match builder.start().await {
        Ok(server) => {
            if let Some(Host::Unix(folder)) = server.config().get_hosts().first() {
                println!("\nfolder {}", folder.display());
            }
            let database = server.create_database().await.unwrap();
            println!("\norigin {server}\ndatabase {}\nurl {}\ndone", database.name(), database.url());
            if role == "hold" || role == "share" {
                io::stdin().lines().for_each(drop);
            }
        }
        Err(error) => {
            println!("\nkind {:?}", error.kind());
            error.to_string().lines().for_each(|line| println!("error {line}"));
        }
    }
}

pub(crate) struct Owner {
    pub(crate) child: Child,
    pub(crate) said: Vec<String>,
    output: BufReader<ChildStdout>,
}

impl Owner {
    /// Starts a process that owns a server and holds on to it, and waits until it runs.
    pub(crate) fn hold() -> Self {
        Self::start(env::current_exe().unwrap(), "hold", &[])
    }

    /// Starts a process that shares the server of this name with others and holds on to it, and waits until it runs.
    pub(crate) fn share(likeness: &str) -> Self {
        Self::start(env::current_exe().unwrap(), "share", &[(LIKENESS, likeness)])
    }

    /// Starts a process with a test in it, and waits until the test has its database.
    pub(crate) fn test(role: &str, variables: &[(&str, &str)]) -> Self {
        Self::test_of(env::current_exe().unwrap(), role, variables)
    }

    /// The same of a copy of this program.
    pub(crate) fn test_of(program: PathBuf, role: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_as("child::run_as_test", program, role, variables)
    }

    /// Waits for its end, and returns whether it was a success and what it has complained about.
    pub(crate) fn outcome(mut self) -> (bool, String) {
        io::copy(&mut self.output, &mut io::sink()).unwrap();
        let mut complaints = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        (self.child.wait().unwrap().success(), complaints)
    }

    /// Kills it with -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it come to its end.
    pub(crate) fn end(mut self) {
        drop(self.child.stdin.take());
        io::copy(&mut self.output, &mut io::sink()).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Starts a process that starts a server, creates a database and ends, and waits for its end. The variables are
    /// set on top of an environment that has none of ours.
    pub(crate) fn run(role: &str, variables: &[(&str, &str)]) -> Self {
        Self::run_at(env::current_exe().unwrap(), role, variables)
    }

    /// The same from a copy of this program.
    pub(crate) fn run_at(program: PathBuf, role: &str, variables: &[(&str, &str)]) -> Self {
        let mut owner = Self::start(program, role, variables);
        // libtest has a few words to add, and takes it amiss if nobody listens.
        io::copy(&mut owner.output, &mut io::sink()).unwrap();
        owner.child.wait().unwrap();
        owner
    }

    fn start(program: PathBuf, role: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_as("child::run_as_owner", program, role, variables)
    }

    fn start_as(test: &str, program: PathBuf, role: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.args([test, "--exact", "--nocapture"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        if role == "pass" || role == "fail" {
            command.stderr(Stdio::piped());
        }
        for name in ["DATABASE_URL", "DUNLIN_TEST_KEEP", "DUNLIN_POSTGRES", "DUNLIN_POSTGRES_VERSION"] {
            command.env_remove(name);
        }
        command.env(ROLE, role).envs(variables.iter().copied());
        if role == "hold" || role == "share" {
            // It may be dropped while it runs, and then complains that nobody listens.
            command.stderr(Stdio::null());
        }
        let mut child = spawn(&mut command);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let said = (&mut output).lines().map(Result::unwrap).take_while(|line| line != "done").collect();
        Self { child, said, output }
    }

    /// What it said under this heading.
    pub(crate) fn said(&self, heading: &str) -> Vec<&str> {
        let heading = format!("{heading} ");
        self.said.iter().filter_map(|line| line.strip_prefix(&heading)).collect()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        PathBuf::from(self.said("folder").first().unwrap_or_else(|| panic!("{:?}", self.said)))
    }
}

/// A copy of a program can't be started while another thread, which forked when it was being written, has not come to its
/// own program yet.
fn spawn(command: &mut Command) -> Child {
    let started = Instant::now();
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && started.elapsed() < Duration::from_secs(10) => {}
            spawned => return spawned.unwrap(),
        }
    }
}

/// Waits until it is so, and fails if that takes longer than a slow machine may need.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(30), "still not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes that have this text among their arguments.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let output = Command::new("ps").args(["-e", "-ww", "-o", "pid=,args="]).output().unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains(text))
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}
