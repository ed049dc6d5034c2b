//! Who gives up waiting for a database.

use std::{collections::BTreeSet, future::poll_fn, task::Poll};

use dunlin_test::TestDatabase;
use tokio_postgres::NoTls;

use crate::{
    fresh::{birds, databases},
    starts::own,
};

#[tokio::test]
async fn a_database_that_comes_when_its_taker_has_gone_is_for_the_next() {
    let server = own().await.unwrap();
    let builder = TestDatabase::builder(&birds()).server(&server);
    builder.clone().prepare(0).await.unwrap();
    let (holder, connection) = server.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    // No database is made as long as this is held.
    holder.batch_execute("BEGIN; LOCK TABLE pg_database IN SHARE MODE").await.unwrap();

    let mut first = Box::pin(builder.clone().create());
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while holder.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await);
    }
    let second = tokio::spawn(builder.clone().create());
    while holder.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        tokio::task::yield_now().await;
    }
    holder.batch_execute("COMMIT").await.unwrap();
    let second = second.await.unwrap().unwrap();
    // Who came first was served first, without having looked yet.
    let there = databases(&server).await;
    drop(first);

    let mut given = BTreeSet::from([second.name().to_owned()]);
    let mut held = Vec::new();
    for _ in 0..4 {
        let next = builder.clone().create().await.unwrap();
        given.insert(next.name().to_owned());
        held.push(next);
    }
    let lost = there.iter().filter(|name| name.starts_with("dunlin_test") && !given.contains(*name));
    assert_eq!(lost.count(), 0, "{there:?} {given:?}");
}
