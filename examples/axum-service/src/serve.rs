//! One replica as a process.

use std::io::{self, Write};

use axum_service::{Replica, terminated};
use dunlin::BoxError;
use tokio::sync::oneshot;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::Serve;

pub(crate) async fn serve(options: Serve) -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(io::stderr).init();
    let Serve { database_url, release, name, port, attached } = options;
    // What could not be read has a password in it.
    let database = database_url.parse().map_err(|_| "DATABASE_URL is not a connection string")?;
    let terminated = terminated()?;
    let replica = Replica::bind(release, &name, port, database).await?;
    // Whoever has started it may not be there to read it any more.
    let _ = writeln!(io::stdout(), "listening on {}", replica.address()?);

    let told_to_end = async {
        tokio::select! {
            () = terminated => {}
            () = input_ends(), if attached => {}
        }
    };
    Ok(replica.serve(told_to_end).await?)
}

/// The input of a process ends with the program that has started it. A thread reads it, which nobody waits for.
async fn input_ends() {
    let (ended, end) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(ended);
    });
    let _ = end.await;
}
