use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::Client;

use crate::{Contestant, Failure, Opened, Place, Prepared, Script};

/// The least that asking the database something can cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct SelectOne;

/// The least that running the migrations can cost: all of them as one text, in one implicit transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch;

impl Contestant for SelectOne {
    fn name(&self) -> String {
        "`SELECT 1`".to_owned()
    }

    fn way(&self) -> &'static str {
        "tokio-postgres, `simple_query(\"SELECT 1\")` on an open connection"
    }

    fn prepare(&self, _: &[Script]) -> Result<Arc<dyn Prepared>, Failure> {
        Ok(Arc::new(Query { sql: "SELECT 1".into(), reads: true }))
    }
}

impl Contestant for Batch {
    fn name(&self) -> String {
        "one `batch_execute`".to_owned()
    }

    fn way(&self) -> &'static str {
        "tokio-postgres, `batch_execute` of all the SQL at once on an open connection: one transaction, no history, no lock"
    }

    fn prepare(&self, scripts: &[Script]) -> Result<Arc<dyn Prepared>, Failure> {
        Ok(Arc::new(Query { sql: Script::joined(scripts).into(), reads: false }))
    }
}

#[derive(Clone)]
struct Query {
    sql: Arc<str>,
    reads: bool,
}

#[async_trait]
impl Prepared for Query {
    async fn open(&self, place: &Place) -> Result<Box<dyn Opened>, Failure> {
        Ok(Box::new(Session { query: self.clone(), client: place.connect().await? }))
    }
}

struct Session {
    query: Query,
    client: Client,
}

#[async_trait]
impl Opened for Session {
    async fn migrate(&mut self) -> Result<(), Failure> {
        let Query { sql, reads } = &self.query;
        if *reads {
            self.client.simple_query(sql).await?;
        } else {
            self.client.batch_execute(sql).await?;
        }
        Ok(())
    }
}
