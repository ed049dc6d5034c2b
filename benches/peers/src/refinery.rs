use std::sync::Arc;

use async_trait::async_trait;
use benches::{Contestant, Failure, Opened, Place, Prepared, Script};
use refinery::{Migration, Runner};
use tokio_postgres::Client;

/// refinery with its tokio-postgres driver.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refinery;

impl Contestant for Refinery {
    fn name(&self) -> String {
        "refinery 0.10".to_owned()
    }

    fn way(&self) -> &'static str {
        "`runner().run_async(&mut client)` on an open tokio-postgres connection"
    }

    fn prepare(&self, scripts: &[Script]) -> Result<Arc<dyn Prepared>, Failure> {
        let migration = |script: &Script| {
            Migration::unapplied(&format!("V{}__{}", script.version, script.name), &script.sql)
        };
        let migrations = scripts.iter().map(migration).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(Boot { runner: Arc::new(Runner::new(&migrations)) }))
    }
}

struct Boot {
    runner: Arc<Runner>,
}

#[async_trait]
impl Prepared for Boot {
    async fn open(&self, place: &Place) -> Result<Box<dyn Opened>, Failure> {
        Ok(Box::new(Session { runner: Arc::clone(&self.runner), client: place.connect().await? }))
    }
}

struct Session {
    runner: Arc<Runner>,
    client: Client,
}

#[async_trait]
impl Opened for Session {
    async fn migrate(&mut self) -> Result<(), Failure> {
        self.runner.run_async(&mut self.client).await?;
        Ok(())
    }
}
