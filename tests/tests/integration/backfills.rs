//! A backfill under the faults of the harness, while an application writes the same rows.

mod fill;
mod people;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tests::faults::{DropAt, Moment};
use tests::{Cut, Direction, Fault, Proxy, Traffic};
use tokio_postgres::Config;

use self::fill::{Fill, PATIENCE, SESSIONS, Way, migrate};
use self::people::{People, Writers};

/// Another one each time, so that many runs see everything; `DUNLIN_FAULTS_SEED` repeats one.
fn seed() -> u64 {
    match std::env::var("DUNLIN_FAULTS_SEED") {
        Ok(seed) => seed.parse().expect("DUNLIN_FAULTS_SEED is a number"),
        Err(_) => u64::from(fastrand::u32(..)),
    }
}

/// Both ways to run it, each with both kinds of writers, one after the other.
fn rounds(count: usize) -> impl Iterator<Item = (usize, Way, Writers)> {
    let all = Way::ALL.into_iter().flat_map(|way| Writers::ALL.map(|writers| (way, writers)));
    let all: Vec<_> = all.collect();
    (0..count).map(move |round| {
        let (way, writers) = all[round % all.len()];
        (round, way, writers)
    })
}

/// A run in peace: what goes through the proxy.
async fn traffic(way: Way, seed: u64) -> Traffic {
    let people = People::start(Writers::Both, seed).await;
    let proxy = Proxy::start(&people.database.config()).await;
    way.run(&proxy.config()).await.unwrap();
    let traffic = proxy.traffic();
    people.check().await.unwrap();
    traffic
}

fn cut(random: &mut Rng, messages: Traffic) -> Fault {
    let kind = random.choice([Cut::Before, Cut::Half, Cut::After]).unwrap();
    // Of the server's messages there are many more: one for each row.
    match random.bool() {
        true => Fault::cut(Direction::ToServer, random.usize(1..=messages.to_server), kind),
        false => Fault::cut(Direction::ToClient, random.usize(1..=messages.to_client), kind),
    }
}

/// Runs until it has come to its end. As often as something may have kept it from that, it may fail.
async fn run_to_the_end(way: Way, config: &Config, mut may_fail: impl FnMut() -> bool) -> Result<(), String> {
    loop {
        match way.run(config).await {
            Ok(()) => return Ok(()),
            Err(_) if may_fail() => {}
            Err(error) => return Err(causes(&*error)),
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f61_a_backfill_whose_connections_are_cut_at_any_message_does_every_row_once() {
    const ROUNDS: usize = 8;
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let peace = [traffic(Way::Migration, seed).await, traffic(Way::Beside, seed).await];
    for (round, way, writers) in rounds(ROUNDS) {
        let traffic = if way == Way::Migration { peace[0] } else { peace[1] };
        // The first cut of each round is in another part of the run; what is left then is shorter.
        let part = |all: usize| all * (round + 1) / ROUNDS;
        let until = Traffic { to_server: part(traffic.to_server), to_client: part(traffic.to_client) };
        let less = Traffic { to_server: traffic.to_server / 4, to_client: traffic.to_client / 4 };
        let faults = [cut(&mut random, until), cut(&mut random, less), cut(&mut random, less)];
        let people = People::start(writers, seed).await;
        let proxy = Proxy::start(&people.database.config()).await;
        proxy.arm(faults);
        let mut struck = 0;
        let config = proxy.config();
        let may_fail = || proxy.struck() > std::mem::replace(&mut struck, proxy.struck());
        let ended = run_to_the_end(way, &config, may_fail).await;
        let what = format!("DUNLIN_FAULTS_SEED={seed}, round {round}, {way:?}, {writers:?}: {faults:?}");
        assert_eq!(ended, Ok(()), "{what}");
        assert_eq!(people.check().await, Ok(()), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f61_a_backfill_that_is_dropped_at_any_moment_does_every_row_once() {
    const ROUNDS: usize = 8;
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let people = People::start(Writers::Both, seed).await;
    let (polls, ended) = DropAt::count(Way::Beside.run(&people.database.config())).await;
    ended.unwrap();
    assert_eq!(people.check().await, Ok(()), "DUNLIN_FAULTS_SEED={seed}");
    for (round, way, writers) in rounds(ROUNDS) {
        let moment = random.choice(Moment::ALL).unwrap();
        let poll = random.usize(polls * round / ROUNDS..polls * (round + 1) / ROUNDS).max(1);
        let place = DropAt { poll, moment };
        let people = People::start(writers, seed).await;
        let config = people.database.config();
        let what = format!("DUNLIN_FAULTS_SEED={seed}, round {round}, {way:?}, {writers:?}: {place}");
        if let Ok(ended) = place.run(way.run(&config)).await {
            assert!(ended.is_ok(), "{what}: {ended:?}");
        }
        let ended = run_to_the_end(way, &config, || false).await;
        assert_eq!(ended, Ok(()), "{what}");
        assert_eq!(people.check().await, Ok(()), "{what}");
    }
}

/// Ends one session of a backfill, but none of so many that were there first: they are whoever runs it, and not workers.
fn blow(first: usize) -> String {
    format!(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (SELECT pid FROM (SELECT pid FROM pg_stat_activity \
          WHERE datname = current_database() AND application_name IN ('{SESSIONS}', 'dunlin backfill') ORDER BY backend_start OFFSET {first}) AS all_of_them \
         ORDER BY random() LIMIT 1) AS one"
    )
}

/// Ends sessions of workers at random until the backfill is over; returns how many.
async fn strike<T>(people: &People, random: &mut Rng, run: impl Future<Output = T>) -> (i64, T) {
    let mut struck = 0;
    let blows = async {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_micros(random.u64(..150_000))).await;
            struck += people.number(&blow(1)).await;
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = run => ended,
        never = blows => never,
    };
    (struck, ended)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f61_a_backfill_whose_backends_are_ended_comes_to_its_end_by_itself() {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let mut all = 0;
    for (round, way, writers) in rounds(8) {
        let people = People::start(writers, seed).await;
        let config = people.database.config();
        let (struck, ended) = strike(&people, &mut random, way.run(&config)).await;
        let what = format!("DUNLIN_FAULTS_SEED={seed}, round {round}, {way:?}, {writers:?}, {struck} ended");
        assert!(ended.is_ok(), "{what}: {}", causes(&*ended.unwrap_err()));
        assert_eq!(people.check().await, Ok(()), "{what}");
        all += struck;
    }
    assert!(all > 0, "DUNLIN_FAULTS_SEED={seed}: nothing was ended");
}

/// One of two processes that work on the same backfill: at random it is dropped, and begins again, until it has come to its end in peace.
async fn process(way: Way, config: &Config, is_calm: &AtomicBool, mut random: Rng) -> Result<(), String> {
    loop {
        let was_calm = is_calm.load(Ordering::Relaxed);
        let life = if was_calm { PATIENCE } else { Duration::from_micros(random.u64(..1_000_000)) };
        match tokio::time::timeout(life, way.run(config)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if was_calm => return Err(causes(&*error)),
            Err(_) if was_calm => return Err("it does not end".to_owned()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f60_f61_two_processes_that_are_cut_dropped_and_ended_do_every_row_once() {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    for (round, way, writers) in rounds(4) {
        let ways = [way, Way::Beside];
        let people = People::start(writers, seed).await;
        let config = people.database.config();
        let proxies = [Proxy::start(&config).await, Proxy::start(&config).await];
        let is_calm = AtomicBool::new(false);
        let [first, second] = proxies.each_ref().map(Proxy::config);
        let (of_first, of_second) = (random.fork(), random.fork());
        let storm = async {
            for _ in 0..12 {
                tokio::time::sleep(Duration::from_micros(random.u64(..100_000))).await;
                match random.choice(&proxies) {
                    Some(proxy) if random.bool() => {
                        let messages = Traffic { to_server: 30, to_client: 300 };
                        proxy.arm([cut(&mut random, messages)]);
                    }
                    _ => drop(people.number(&blow(0)).await),
                }
            }
            proxies.iter().for_each(|proxy| proxy.arm([]));
            is_calm.store(true, Ordering::Relaxed);
        };
        let (one, two, ()) = tokio::join!(
            process(ways[0], &first, &is_calm, of_first),
            process(ways[1], &second, &is_calm, of_second),
            storm
        );
        let what = format!("DUNLIN_FAULTS_SEED={seed}, round {round}, {ways:?}, {writers:?}");
        assert_eq!((one, two), (Ok(()), Ok(())), "{what}");
        assert_eq!(people.check().await, Ok(()), "{what}");
    }
}

/// Lets the third statement that updates rows wait until its worker is at work on another connection, whoever cancels it.
const LINGER: &str = "CREATE SEQUENCE statements; CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    IF nextval('statements') = 3 THEN \
      WHILE EXISTS (SELECT FROM dunlin_history_backfill_ranges WHERE pid = pg_backend_pid()) LOOP \
        BEGIN PERFORM pg_sleep(0.001); EXCEPTION WHEN query_canceled THEN NULL; END; \
      END LOOP; \
    END IF; RETURN NULL; END $$; \
    CREATE TRIGGER linger BEFORE UPDATE ON people EXECUTE FUNCTION linger()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f60_what_a_lost_connection_still_writes_is_not_counted_twice() {
    let people = People::start(Writers::None, 0).await;
    people.client.batch_execute(LINGER).await.unwrap();
    let proxy = Proxy::start(&people.database.config()).await;
    let lose_connections = async {
        people.until("SELECT last_value >= 3 FROM statements").await;
        // The server does not know yet that its client is gone when the worker is there again.
        proxy.cut_all();
    };
    let config = proxy.config();
    let patient = Fill { batch_time: Duration::from_secs(10) };
    let (migrated, ()) = tokio::join!(migrate(&config, patient), lose_connections);
    assert!(migrated.is_ok(), "{}", causes(&*migrated.unwrap_err()));
    assert_eq!(people.check().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cancelled_between_its_batches_tries_again() {
    let people = People::start(Writers::None, 0).await;
    let holder = people.database.connect().await.unwrap();
    let cancel = async {
        people.until("SELECT to_regclass('dunlin_history_backfill_ranges') IS NOT NULL").await;
        people.until("SELECT count(*) > 0 FROM dunlin_history_backfill_ranges").await;
        holder.batch_execute("BEGIN; SELECT FROM dunlin_history_backfills FOR UPDATE").await.unwrap();
        // Those without a range wait to take one, and the one with it to give it back.
        let waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let closing = "pid IN (SELECT pid FROM dunlin_history_backfill_ranges)";
        people.until(&format!("SELECT count(*) > 0 {waiting} AND {closing}")).await;
        assert!(people.number(&format!("SELECT count(pg_cancel_backend(pid)) {waiting}")).await > 0);
        holder.batch_execute("COMMIT").await.unwrap();
    };
    let config = people.database.config();
    let (migrated, ()) = tokio::join!(migrate(&config, Fill::default()), cancel);
    assert!(migrated.is_ok(), "{}", causes(&*migrated.unwrap_err()));
    assert_eq!(people.check().await, Ok(()));
}
