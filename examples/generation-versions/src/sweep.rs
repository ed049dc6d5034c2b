use std::{collections::BTreeSet, fmt};

use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    Error, Hold, Tree,
    absorb::{Absorbed, absorb, clear_flat, discard},
    files::{INCOMING, names},
    flat,
    generation::Generation,
    links,
};

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sweep {
    /// Generations that lay flat.
    pub moved: u64,
    /// Generations whose folder was there, from before the database was rolled back or the last run was killed.
    pub adopted: u64,
    /// Generations that had been moved, and of which there were flat files all the same.
    pub late: u64,
    /// Files that generations name and that were not found: each is noted in a manifest.
    pub missing: u64,
    /// How many times everything was looked at. The last time there was nothing to do.
    pub passes: u64,
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moved, adopted, late, missing, passes } = self;
        write!(f, "generations moved: {moved}, adopted: {adopted}, with late files: {late}; ")?;
        write!(f, "files missing: {missing}; passes: {passes}")
    }
}

/// Moves the files of all generations into the folders of their versions, again and again until nothing is flat: generations are
/// created meanwhile. Then each project's `active` leads to the generation that is active.
///
/// For each generation: its files get a second name in a folder beside the one that it will have; the manifest is
/// written last; the folder gets its name; the database says where it is; the flat names are removed. At each moment all files are
/// where the database says. Each step looks at what is there, so whatever run comes next goes on.
///
/// # Errors
///
/// What the file system or the server says. What was done stays.
///
/// # Cancel safety
///
/// As after an error; the step that is under way on the storage root is done, which is held until then.
pub async fn sweep(hold: &Hold, client: &Client, tell: &(dyn Fn(u64, u64) + Sync)) -> Result<Sweep, Error> {
    let tree = hold.blocking(begin).await?;
    let mut sweep = Sweeper { hold, client, tree, report: Sweep::default() };
    loop {
        let before = sweep.report;
        sweep.flat(tell).await?;
        sweep.late().await?;
        sweep.report.passes += 1;
        links::point(hold, client).await?;
        if sweep.report == (Sweep { passes: sweep.report.passes, ..before }) {
            return Ok(sweep.report);
        }
    }
}

/// What a killed run has left half done is begun again: there is nothing in it that is not flat, too.
pub(crate) fn begin(hold: &Hold) -> Result<Tree, Error> {
    hold.remove_file(&hold.root().join(INCOMING))?;
    let tree = Tree::read(hold.storage())?;
    tree.partial().iter().try_for_each(|folder| hold.remove_folder(folder))?;
    Ok(tree)
}

struct Sweeper<'a> {
    hold: &'a Hold,
    client: &'a Client,
    tree: Tree,
    report: Sweep,
}

impl Sweeper<'_> {
    /// Those that the database takes for flat.
    async fn flat(&mut self, tell: &(dyn Fn(u64, u64) + Sync)) -> Result<(), Error> {
        let done = |report: &Sweep| report.moved + report.adopted;
        let total = done(&self.report) + Generation::count_flat(self.client).await?;
        let mut after = Uuid::nil();
        loop {
            let page = Generation::flat(self.client, after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            for generation in page {
                if let Some(absorbed) = self.settle(generation).await? {
                    let count =
                        if absorbed.was_there { &mut self.report.adopted } else { &mut self.report.moved };
                    *count += 1;
                    self.report.missing += u64::try_from(absorbed.missing).unwrap_or_default();
                    tell(done(&self.report), total.max(done(&self.report)));
                }
            }
        }
    }

    /// Flat files of those that it takes for moved: a run was killed before it removed them, or they were written late.
    async fn late(&mut self) -> Result<(), Error> {
        let owners = self.hold.blocking(|hold| {
            let names = names(hold.root())?;
            Ok(names.iter().filter_map(|name| flat::owner(name)).collect::<BTreeSet<_>>())
        });
        let owners: Vec<Uuid> = owners.await?.into_iter().collect();
        for owners in owners.chunks(500) {
            for generation in Generation::moved(self.client, owners).await? {
                let root = self.hold.root();
                if generation.files.iter().any(|name| flat::look(root, generation.id, name).is_ok()) {
                    self.settle(generation).await?;
                    self.report.late += 1;
                }
            }
        }
        Ok(())
    }

    /// One generation, from wherever it is to the end. Nothing is returned if it was deleted meanwhile.
    async fn settle(&self, generation: Generation) -> Result<Option<Absorbed>, Error> {
        let folder = generation.home().below(self.hold.root());
        let is_here = folder.is_dir().then(|| folder.clone());
        let known = is_here
            .or_else(|| self.tree.folder(generation.id).filter(|known| known.is_dir()).map(Into::into));
        let (absorbed, generation) = self
            .hold
            .blocking(move |hold| Ok((absorb(hold, &generation, known.as_deref())?, generation)))
            .await?;

        self.hold.storage().step("record", &folder)?;
        let record = "UPDATE generations SET storage_path = $2 WHERE id = $1";
        let is_there = self.client.execute(record, &[&generation.id, &absorbed.storage_path]).await? == 1;
        let was_there = absorbed.was_there;
        self.hold
            .blocking(move |hold| match is_there {
                true => clear_flat(hold, &generation),
                false if was_there => Ok(()),
                false => discard(hold, &folder),
            })
            .await?;
        Ok(is_there.then_some(absorbed))
    }
}
