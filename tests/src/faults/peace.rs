//! A run that nothing goes wrong with.

use std::{sync::Arc, time::Duration};

use dunlin::{BoxError, Pooler};
use tokio_postgres::NoTls;

use crate::{
    PgBouncer, database,
    faults::{footprint::Footprint, pooled::Pooled, runner::Runner, scenario::Scenario},
    proxy::{Cut, Direction, Effect, Fault, Proxy, Traffic},
};

/// What a run says and leaves that nothing goes wrong with.
pub(crate) struct Peace {
    /// What it leaves.
    pub(crate) footprint: Footprint,
    /// What it says.
    pub(crate) traffic: Traffic,
    /// The part of the traffic that opens a connection.
    connecting: Traffic,
}

impl Peace {
    pub(crate) async fn of(runner: Runner) -> Result<Self, BoxError> {
        let database = database().await;
        let proxy = Proxy::start(&database.config()).await;
        drop(proxy.config().connect(NoTls).await?);
        let connecting = proxy.traffic();
        proxy.reset();
        runner.run(&proxy.config()).await?;
        // The farewell is a message too.
        while proxy.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let traffic = proxy.traffic();
        let footprint = Footprint::of_peace(Scenario::Whole, &database.config()).await?;
        database.drop().await?;
        Ok(Self { footprint, traffic, connecting })
    }

    /// That of a run behind a pooler, which has two connections.
    pub(crate) async fn behind(pooler: &Arc<PgBouncer>) -> Result<Self, BoxError> {
        let pooled = Pooled::new(pooler).await;
        let proxy = Proxy::start(&pooled.config()).await;
        drop(proxy.config().connect(NoTls).await?);
        let connecting = proxy.traffic();
        proxy.reset();
        let migrator = Scenario::Transactional.migrator().pooler(Pooler::Transaction);
        dunlin::migrate(&proxy.config(), NoTls, &migrator).await?;
        while proxy.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let traffic = proxy.traffic();
        pooled.end().await?;
        let database = database().await;
        let footprint = Footprint::of_peace(Scenario::Transactional, &database.config()).await?;
        database.drop().await?;
        Ok(Self { footprint, traffic, connecting })
    }

    /// Every message of the run, with its direction.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (Direction, usize)> {
        let to_server = (1..=self.traffic.to_server).map(|message| (Direction::ToServer, message));
        to_server.chain((1..=self.traffic.to_client).map(|message| (Direction::ToClient, message)))
    }

    /// Whether a cut hits a connection before it is open.
    pub(crate) fn is_connecting(&self, fault: &Fault) -> bool {
        let Traffic { to_server, to_client } = self.connecting;
        match fault.direction {
            Direction::ToServer => fault.message <= to_server,
            // The last one says that it is open.
            Direction::ToClient if fault.effect == Effect::Cut(Cut::After) => fault.message < to_client,
            Direction::ToClient => fault.message <= to_client,
        }
    }
}
