//! Processes that have databases while something happens to others.

use std::{io::BufRead, process::ExitCode};

use dunlin::BoxError;
use dunlin_test::TestDatabase;
use tokio_postgres::Client;

use crate::fresh::{ground, scene};

/// What a guest does: `victim` goes through everything that may become of a database and ends; `bystander` takes two, says that
/// it has them, and sees at the end of its input that they are still as it has left them.
///
/// # Errors
/// What is wrong with a database.
pub async fn guest(role: &str, say: impl Fn(&str)) -> Result<ExitCode, BoxError> {
    match role {
        "victim" => victim().await?,
        "bystander" => bystander(say).await?,
        _ => return Err(format!("`{role}` is no role").into()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn fresh() -> Result<(TestDatabase, Client), BoxError> {
    let (builder, _) = ground::databases().await?;
    let database = builder.create().await?;
    let client = database.connect().await?;
    scene::look(&client).await?;
    Ok((database, client))
}

/// The template is built; databases are copied and made ahead; those that were used are cleaned, with and without seeds to put
/// back, or dropped.
async fn victim() -> Result<(), BoxError> {
    let uses = [
        "INSERT INTO birds (kind, name) VALUES (1, 'dunlin')",
        "DELETE FROM kinds",
        "CREATE TABLE nests (id int)",
    ];
    for sql in uses.iter().cycle().take(9) {
        let (database, client) = fresh().await?;
        client.batch_execute(sql).await?;
        drop(client);
        drop(database);
    }
    Ok(())
}

async fn bystander(say: impl Fn(&str)) -> Result<(), BoxError> {
    let mut held = Vec::new();
    for _ in 0..2 {
        let (database, client) = fresh().await?;
        client.batch_execute("INSERT INTO log (what) VALUES ('mine'); BEGIN; SELECT txid_current()").await?;
        held.push((database, client));
    }
    say("ready");
    tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().for_each(drop)).await?;
    for (database, client) in &held {
        client.batch_execute("INSERT INTO log (what) VALUES ('mine'); COMMIT").await?;
        let sql = "SELECT count(*) FROM log WHERE what = 'mine'";
        for client in [client, &database.connect().await?] {
            let count: i64 = client.query_one(sql, &[]).await?.get(0);
            if count != 2 {
                return Err(format!("{count} rows in {} instead of 2", database.name()).into());
            }
        }
    }
    fresh().await?;
    Ok(())
}
