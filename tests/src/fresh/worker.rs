//! A process that runs tests, from the inside.

use std::{
    collections::BTreeSet,
    io, panic,
    process::ExitCode,
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use dunlin::BoxError;
use dunlin_test::{TestDatabase, TestDatabaseBuilder};
use tokio::runtime::{Builder, Handle};

use crate::fresh::{deed::Deed, ground, scene};

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// How many tests it runs.
    pub tests: usize,
    /// How many of them at once.
    pub threads: usize,
    /// What decides what they do.
    pub seed: u64,
    /// Whether some panic. Whoever starts the worker has to drop what they keep, which the worker does at its end.
    pub panics: bool,
}

/// Does the work, and says what came of it.
///
/// # Errors
/// When the process can't run tests at all.
pub fn work(work: Work, mut say: impl FnMut(String)) -> Result<ExitCode, BoxError> {
    // Whatever ends the parent ends this process.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(1);
    });
    // A panic is a deed; others are told as what is wrong.
    panic::set_hook(Box::new(|_| {}));
    let other = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let class =
        Class { work, next: AtomicUsize::new(0), other: other.handle().clone(), seen: Mutex::default() };
    thread::scope(|scope| {
        for _ in 0..work.threads {
            scope.spawn(|| class.attend());
        }
    });
    let Seen { names, kept, wrong, folder } = class.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let swept = other.block_on(drop_kept(&kept));
    let wrong: Vec<_> = wrong.into_iter().chain(swept.err().map(|error| error.to_string())).collect();
    if let Some(folder) = folder {
        say(format!("folder {folder}"));
    }
    names.iter().for_each(|name| say(format!("database {name}")));
    wrong.iter().for_each(|wrong| say(format!("wrong {}", wrong.replace('\n', " "))));
    say(format!("tests {}", work.tests));
    // What is left behind on it stays so until the process ends.
    std::mem::forget(other);
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Class {
    work: Work,
    next: AtomicUsize,
    other: Handle,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    kept: Vec<String>,
    wrong: Vec<String>,
    folder: Option<String>,
}

impl Class {
    /// Runs tests until there are no more, each on a thread of its own.
    fn attend(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.work.tests {
                return;
            }
            let outcome = thread::scope(|scope| {
                let test = thread::Builder::new().name(format!("test {number}"));
                test.spawn_scoped(scope, || self.test(number)).map(|test| test.join())
            });
            let mut random = self.random(number);
            let deed = self.deed(&mut random);
            let wrong = match outcome {
                Ok(Ok(Ok(()))) => None,
                Ok(Err(_)) if deed == Deed::Panic => None,
                Ok(Ok(Err(error))) => Some(describe(&error)),
                Ok(Err(panic)) => Some(format!("it panics: {:?}", panic.downcast_ref::<String>())),
                Err(error) => Some(error.to_string()),
            };
            if let Some(wrong) = wrong {
                self.seen().wrong.push(format!("test {number}, {deed:?}: {wrong}"));
            }
        }
    }

    fn random(&self, number: usize) -> fastrand::Rng {
        let number = u64::try_from(number).unwrap_or_default();
        fastrand::Rng::with_seed(self.work.seed.wrapping_mul(1_000_003).wrapping_add(number))
    }

    fn deed(&self, random: &mut fastrand::Rng) -> Deed {
        match random.u8(..) {
            ..16 if self.work.panics => Deed::Panic,
            16..32 => Deed::Outlive,
            _ => random.choice(Deed::ALL).unwrap_or(Deed::Look),
        }
    }

    fn test(&self, number: usize) -> Result<(), BoxError> {
        let mut random = self.random(number);
        let deed = self.deed(&mut random);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let outlives = runtime.block_on(async {
            let (builder, folder) = ground::databases().await?;
            self.seen().folder = folder.map(|folder| folder.display().to_string());
            if deed == Deed::GiveUp {
                let nap = Duration::from_micros(random.u64(..30_000));
                let _ = tokio::time::timeout(nap, builder.clone().create()).await;
            }
            let (database, client) = self.fresh(builder.clone()).await?;
            if deed == Deed::Panic {
                self.seen().kept.push(database.name().to_owned());
            }
            if deed == Deed::Two {
                let (other, its) = self.fresh(builder).await?;
                its.batch_execute("DELETE FROM birds").await?;
                drop((client, database));
                its.batch_execute("DELETE FROM kinds").await?;
                return Ok(Some(other));
            }
            deed.run(&database, &client, &self.other).await?;
            Ok::<_, BoxError>((deed == Deed::Outlive).then_some(database))
        });
        drop(runtime);
        outlives.map(drop)
    }

    async fn fresh(
        &self,
        builder: TestDatabaseBuilder,
    ) -> Result<(TestDatabase, tokio_postgres::Client), BoxError> {
        let database = builder.create().await?;
        self.seen().names.insert(database.name().to_owned());
        let client = database.connect().await?;
        scene::look(&client).await.map_err(|error| format!("{}: {error}", database.name()))?;
        Ok((database, client))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what was kept, as a person would.
async fn drop_kept(kept: &[String]) -> Result<(), BoxError> {
    if kept.is_empty() {
        return Ok(());
    }
    let client = ground::connect(&std::env::var("DATABASE_URL")?.parse()?).await?;
    for name in kept {
        client.batch_execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await?;
    }
    Ok(())
}

fn describe(error: &BoxError) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl Work {
    /// The arguments that make a process do this.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { tests, threads, seed, panics } = self;
        vec!["worker".to_owned(), format!("{tests} {threads} {seed} {panics}")]
    }
}

impl FromStr for Work {
    type Err = String;

    /// Reads the argument that a worker gets.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let mut words = text.split(' ');
            Some(Self {
                tests: words.next()?.parse().ok()?,
                threads: words.next()?.parse().ok()?,
                seed: words.next()?.parse().ok()?,
                panics: words.next()?.parse().ok()?,
            })
        };
        read().ok_or_else(|| format!("`{text}` is not like `125 8 1 false`"))
    }
}
