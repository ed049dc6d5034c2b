//! The lending desk in one command: `cargo run -p tests-with-fresh-databases`.
//!
//! It starts a PostgreSQL of its own, boots as the service would, and lends a few tools. The point of this example are its
//! tests, though: `cargo test -p tests-with-fresh-databases`.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::time::{Duration, SystemTime};

use deadpool_postgres::{Manager, Pool};
use dunlin::{BoxError, Migrator};
use dunlin_test::Server;
use tests_with_fresh_databases::{Desk, Returns, migrations};
use tokio_postgres::NoTls;

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = Server::start().await?;
    let database = server.create_database().await?;
    println!("{server}");

    let pool = Pool::builder(Manager::new(database.config(), NoTls)).build()?;
    println!("\nboot     {}", dunlin_deadpool::migrate(&pool, &Migrator::new(migrations())).await?);
    let desk = Desk::new(pool.clone());
    let mut returns = Returns::listen(&database.config()).await?;

    let ada = desk.join("Ada", "ada@example.org").await?;
    let grace = desk.join("Grace", "grace@example.org").await?;
    let sander = desk.add("belt sander", "wood", 4_000).await?;
    let trimmer = desk.add("hedge trimmer", "garden", 2_500).await?;

    desk.lend(ada.id, &[sander.id, trimmer.id]).await?;
    println!("lent     the {} and the {} to {}", sander.name, trimmer.name, ada.name);
    match desk.lend(grace.id, &[sander.id]).await {
        Ok(()) => return Err("a tool was lent twice".into()),
        Err(refusal) => println!("refused  the {} to {}: {refusal}", sander.name, grace.name),
    }
    desk.wait_for(sander.id, grace.id).await?;

    for late in desk.overdue(SystemTime::now() + A_WEEK + Duration::from_secs(60)).await? {
        println!("overdue  the {}, in a week from now", late.name);
    }

    desk.take_back(sander.id).await?;
    let returned = returns.next().await.ok_or("the connection that listens is gone")?;
    for member in desk.waiting(returned).await? {
        println!("back     the {}, and {} hears of it", desk.tool(returned).await?.name, member.name);
    }

    println!("\nThe tests, each with a database of its own:");
    println!("  cargo test -p tests-with-fresh-databases");
    println!("  cargo nextest run -p tests-with-fresh-databases");

    drop((returns, desk));
    pool.close();
    database.drop().await?;
    server.stop().await?;
    Ok(())
}
