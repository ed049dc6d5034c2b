//! What a check leaves behind that does not come to its end, on a server that is another's.

use std::{
    env,
    future::{Future, poll_fn},
    pin::pin,
    process::Command,
    task::Poll,
    time::{Duration, Instant},
};

use dunlin_test::checks;

use crate::{
    checks::{outside, set},
    starts::{ask, own},
};

const ROLE: &str = "DUNLIN_CHECKS_ROLE";

/// Not a test of its own: what the process below runs, with `DATABASE_URL` in its environment.
#[tokio::test]
async fn run_as_another_process() {
    match env::var(ROLE).as_deref() {
        Ok("drop") => {
            let index = outside("CREATE INDEX CONCURRENTLY i ON a (n)");
            let set = set(&[("CREATE TABLE a (n int)", "DROP TABLE a"), (&index, "DROP INDEX i")]);
            let (mut stopped, mut ended) = (0, 0);
            for polls in [1, 3, 8, 20, 50, 120] {
                for is_ended in [
                    cut(polls, checks::each_step(&set)).await,
                    cut(polls, checks::resumable(&set)).await,
                    cut(polls, checks::concurrent_boot(&set, 3)).await,
                ] {
                    *(if is_ended { &mut ended } else { &mut stopped }) += 1;
                }
            }
            println!("\nstopped {stopped}\nended {ended}");
        }
        Ok("nowhere") => {
            let error = checks::each_step(&set(&[])).await.unwrap_err();
            assert!(error.failures().is_empty());
            format!("{error:?}").lines().for_each(|line| println!("\nerror {line}"));
        }
        _ => {}
    }
}

/// Polls a future so many times and drops it; true if it has come to its end before.
async fn cut(polls: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(false) } else { Poll::Pending }
        }
    })
    .await
}

fn another_process(role: &str, url: &str) -> Vec<String> {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["checks::drops::run_as_another_process", "--exact", "--nocapture"]);
    let output = command.env("DATABASE_URL", url).env(ROLE, role).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_check_that_is_dropped_anywhere_leaves_no_database_behind() {
    let server = own().await.unwrap();

    let said = another_process("drop", &server.url());

    let count = |what: &str| {
        let said = said.iter().find_map(|line| line.strip_prefix(what)).unwrap();
        said.parse::<usize>().unwrap()
    };
    assert_eq!(count("stopped ") + count("ended "), 18);
    assert!(count("stopped ") >= 9, "{said:?}");
    let names = "SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database WHERE datname LIKE 'dunlin%'";
    // They go when the process has ended.
    let began = Instant::now();
    while !ask(&server.config(), names).await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "a database is left");
    }
}

#[test]
fn without_a_server_there_is_nothing_to_check_on() {
    let said = another_process("nowhere", "postgres://127.0.0.1:1/nowhere");
    let error: Vec<_> = said.iter().filter_map(|line| line.strip_prefix("error ")).collect();
    insta::assert_snapshot!(error[..2].join("\n"), @"
    no database to check the migrations on
      caused by: could not connect to the server of DATABASE_URL (127.0.0.1:1/nowhere); see that the server runs and takes this role and database
    ");
}
