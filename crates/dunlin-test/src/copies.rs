use std::{
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio_postgres::Client;

use crate::{
    clean::{self, Dirty},
    error::{Error, Fault},
    home::Home,
    home_sql::{self, Kind},
    session,
    stock::{Ready, Stock},
    template::Template,
    turn::Turn,
};

/// How many databases are made ahead of need, unless somebody says otherwise.
pub(crate) const AHEAD: usize = 2;

/// A template, and those of its copies that are free.
#[derive(Debug)]
pub(crate) struct Shelf {
    template: Arc<Template>,
    stock: Mutex<Stock>,
}

impl Shelf {
    pub(crate) fn of(template: Arc<Template>) -> Arc<Self> {
        Arc::new(Self { template, stock: Mutex::default() })
    }
}

/// The databases of one template that this process has: they are made, handed out, taken back and cleaned here.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    home: Arc<Home>,
    shelf: Arc<Shelf>,
}

impl Copies {
    pub(crate) fn new(home: &Arc<Home>, shelf: &Arc<Shelf>) -> Self {
        Self { home: home.clone(), shelf: shelf.clone() }
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Gives one that is free, if there is one.
    pub(crate) fn ready(&self) -> Option<Ready> {
        let mut free = std::iter::from_fn(|| self.stock(Stock::take));
        free.find(|ready| self.home.owns(&ready.name))
    }

    /// Waits for one that is being made or cleaned; makes one if there is none for this caller.
    pub(crate) async fn wait(&self) -> Result<Ready, Error> {
        let mut turn = Turn::new(self, self.stock(Stock::wait));
        self.make_for_those_who_wait();
        turn.comes().await?;
        Ok(turn.take().ok_or(Fault::Lost)?)
    }

    /// Takes over a database that somebody who has died has left: it is to be [cleaned](Self::clean).
    pub(crate) async fn adopt(&self) -> Result<Option<String>, Error> {
        if !self.home.comes_back(&self.shelf.template) {
            return Ok(None);
        }
        self.home.adopt(&self.shelf.template).await
    }

    /// Makes a used database equal to the template, and returns the connection that did it, on the current runtime.
    pub(crate) async fn clean(&self, name: &str) -> Result<Client, Dirty> {
        let mut config = self.home.config().clone();
        config.dbname(name);
        let client = session::connect(&config).await?;
        clean::clean(&client, &self.shelf.template, self.home.facts().epoch).await?;
        Ok(client)
    }

    /// Takes a database back, and cleans it in the background. Where it can't be told whether it is as it was, it is thrown away.
    ///
    /// If the process ends meanwhile whoever adopts the database does it.
    pub(crate) fn give_back(&self, name: String) {
        let most = 2 * thread::available_parallelism().map_or(2, NonZero::get).max(4);
        if !self.home.comes_back(&self.shelf.template) || self.stock(|stock| stock.ahead()) >= most {
            return self.home.discard(Kind::Database, name);
        }
        self.stock(Stock::begin);
        let copies = self.clone();
        self.home.spawn(async move {
            let cleaned = copies.clean(&name).await;
            copies.stock(Stock::end);
            match cleaned {
                Ok(client) => copies.put_back(Ready { name, client: Some(client) }),
                Err(why) => {
                    tracing::debug!(name, %why, "a test database is not used again");
                    copies.home.discard(Kind::Database, name);
                    copies.make_for_those_who_wait();
                }
            }
        });
    }

    /// Takes a database back that was not used.
    pub(crate) fn put_back(&self, ready: Ready) {
        self.stock(|stock| stock.give(ready));
    }

    /// Makes copies in the background until so many are free: here, or left by others.
    pub(crate) fn make_ahead(&self, count: usize) {
        if self.stock(|stock| stock.ahead()) >= count {
            return;
        }
        let copies = self.clone();
        self.home.spawn(async move {
            let left = match copies.count_left().await {
                Ok(left) => left,
                Err(error) => return tracing::debug!(%error, "no test database is made ahead"),
            };
            let missing = copies.stock(|stock| count.saturating_sub(left).saturating_sub(stock.ahead()));
            (0..missing).for_each(|_| copies.make());
        });
    }

    /// Makes copies until so many are free, and returns when they are.
    pub(crate) async fn prepare(&self, count: usize) -> Result<(), Error> {
        let waiting: Vec<_> = self.stock(|stock| {
            let missing = count.saturating_sub(stock.free());
            (0..missing).map(|_| stock.wait()).collect()
        });
        let mut turns: Vec<_> = waiting.into_iter().map(|answer| Turn::new(self, answer)).collect();
        self.make_for_those_who_wait();
        for turn in &mut turns {
            turn.comes().await?;
        }
        Ok(())
    }

    async fn count_left(&self) -> Result<usize, Error> {
        let prefix = self.home.facts().names.prefix(self.shelf.template.key());
        home_sql::free(&*self.home.life().await?, &prefix)
            .await
            .map_err(|source| Fault::Ask { source }.into())
    }

    fn make_for_those_who_wait(&self) {
        (0..self.stock(|stock| stock.missing())).for_each(|_| self.make());
    }

    fn make(&self) {
        self.stock(Stock::begin);
        let copies = self.clone();
        self.home.spawn(async move {
            let made = copies.home.create(&copies.shelf.template).await;
            copies.stock(|stock| {
                stock.end();
                match made {
                    Ok(name) => stock.give(Ready { name, client: None }),
                    Err(error) => stock.fail(error),
                }
            });
        });
    }

    fn stock<T>(&self, work: impl FnOnce(&mut Stock) -> T) -> T {
        work(&mut self.shelf.stock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
