use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::{
    error::{Error, Fault},
    home::Home,
    home_sql::{self, KEPT, Kind, Listed},
    keep,
    manifest::{self, Manifest},
    names::{Key, Named},
};

/// For how many seconds what somebody may want to look at stays.
const KEPT_FOR: u64 = 86_400;
/// For how many seconds a template stays that nobody uses.
const UNUSED_FOR: u64 = 7 * 86_400;

/// How many databases of one template may be there, taken or free: more of them take room that nobody needs.
const MOST: usize = 32;

/// Drops what the dead have left: templates that were not finished or that nobody uses any more, databases that can't be used
/// again or that are more than anybody needs, databases that were kept long enough.
///
/// What belongs to somebody alive is locked. The sweeper locks each database before it touches it.
pub(crate) async fn sweep(home: &Home) {
    if let Err(error) = sweep_all(home).await {
        tracing::debug!(%error, "could not sweep what earlier runs have left");
    }
}

async fn sweep_all(home: &Home) -> Result<(), Error> {
    let failed = |source| Fault::Ask { source };
    let maker = home.maker().await?;
    for database in Listing::read(home, &maker).await?.stale() {
        if !home_sql::try_lock(&maker, &database.name).await.map_err(failed)? {
            continue;
        }
        // It may have been finished, kept or used while the sweeper came.
        if Listing::read(home, &maker).await?.stale().any(|still| still.name == database.name) {
            tracing::debug!(name = database.name, "dropping what an earlier run has left");
            let dropped = match database.kind {
                Kind::Database => home_sql::drop_template(&maker, &database.name).await,
                Kind::Schema => home_sql::drop(&maker, Kind::Schema, &database.name).await,
            };
            if let Err(error) = dropped {
                tracing::debug!(%error, name = database.name, "could not drop what an earlier run has left");
            }
        }
        home_sql::unlock(&maker, &database.name).await.map_err(failed)?;
    }
    home.rest(maker);
    Ok(())
}

/// All databases and schemas of a home at one moment.
struct Listing {
    databases: Vec<(Named, Listed)>,
    has_counters: bool,
    now: u64,
}

impl Listing {
    async fn read(home: &Home, client: &Client) -> Result<Self, Error> {
        let names = &home.facts().names;
        let listed = home_sql::list(client, names).await.map_err(|source| Fault::Ask { source })?;
        let named = |listed: Listed| Some((names.read(&listed.name)?, listed));
        Ok(Self {
            databases: listed.into_iter().filter_map(named).collect(),
            has_counters: home.facts().has_counters,
            now: manifest::now(),
        })
    }

    fn stale(&self) -> impl Iterator<Item = &Listed> {
        let mut copies: BTreeMap<Key, usize> = BTreeMap::new();
        self.databases.iter().filter_map(move |(named, listed)| {
            let is_surplus = match named {
                Named::Test { key, .. } => {
                    let copies = copies.entry(*key).or_default();
                    *copies += 1;
                    *copies > MOST && listed.comment.is_none()
                }
                Named::Template(_) => false,
            };
            (is_surplus || self.is_stale(*named, listed)).then_some(listed)
        })
    }

    fn is_stale(&self, named: Named, listed: &Listed) -> bool {
        let comment = listed.comment.as_deref().unwrap_or_default();
        let is_older = |than: u64, since: u64| self.now.saturating_sub(since) > than;
        match named {
            Named::Template(_) => {
                let last_used = Manifest::last_used(comment);
                !listed.is_template || last_used.is_none_or(|used| is_older(UNUSED_FOR, used))
            }
            Named::Test { .. } if comment.starts_with(KEPT) => {
                keep::read(comment).is_some_and(|(since, _)| is_older(KEPT_FOR, since))
            }
            Named::Test { .. } if listed.kind == Kind::Schema => true,
            // What can be cleaned is for who needs one next.
            Named::Test { key, is_of_now } => !is_of_now || !self.has_counters || !self.has_template(key),
        }
    }

    fn has_template(&self, key: Key) -> bool {
        self.databases.iter().any(|(named, listed)| *named == Named::Template(key) && listed.is_template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;

    const NOW: u64 = 1_800_000_000;

    fn listing(databases: &[(&str, bool, Option<String>)]) -> Listing {
        let names = Names::new(5, 7);
        let listed = |(name, is_template, comment): &(&str, bool, Option<String>)| {
            let listed = Listed {
                kind: Kind::Database,
                name: (*name).to_owned(),
                is_template: *is_template,
                comment: comment.clone(),
            };
            (names.read(name).unwrap(), listed)
        };
        Listing { databases: databases.iter().map(listed).collect(), has_counters: true, now: NOW }
    }

    fn stale(databases: &[(&str, bool, Option<String>)]) -> Vec<String> {
        listing(databases).stale().map(|listed| listed.name.clone()).collect()
    }

    const TEMPLATE: &str = "dunlin_template_5_0000000000000001";
    const COPY: &str = "dunlin_test_5_0000000000000001_00000007_00000000000a";

    fn used(before: u64) -> Option<String> {
        Some(format!("dunlin-test template, last used {}: {{}}", NOW - before))
    }

    fn kept(before: u64) -> Option<String> {
        Some(format!("{KEPT} since {} for a::test in birds-0123", NOW - before))
    }

    #[test]
    fn a_template_and_its_copies_stay_until_nobody_has_used_it_for_a_week() {
        assert_eq!(stale(&[(TEMPLATE, true, used(6 * 86_400)), (COPY, false, None)]), [""; 0]);
        assert_eq!(stale(&[(TEMPLATE, true, used(8 * 86_400))]), [TEMPLATE]);
    }

    #[test]
    fn a_template_that_was_not_finished_is_stale_and_so_are_copies_without_one() {
        assert_eq!(stale(&[(TEMPLATE, false, None), (COPY, false, None)]), [TEMPLATE, COPY]);
    }

    #[test]
    fn copies_from_before_a_crash_and_empty_databases_are_stale() {
        let earlier = "dunlin_test_5_0000000000000001_00000006_00000000000a";
        let empty = "dunlin_test_5_empty_00000007_00000000000a";

        assert_eq!(
            stale(&[(TEMPLATE, true, used(0)), (earlier, false, None), (empty, false, None)]),
            [earlier, empty]
        );
    }

    #[test]
    fn copies_beyond_what_anybody_needs_are_stale() {
        let names: Vec<String> =
            (0..40).map(|n| format!("dunlin_test_5_0000000000000001_00000007_{n:012x}")).collect();
        let mut databases = vec![(TEMPLATE, true, used(0)), (COPY, false, kept(60))];
        databases.extend(names.iter().map(|name| (name.as_str(), false, None)));

        assert_eq!(stale(&databases), names[31..]);
    }

    #[test]
    fn what_was_kept_stays_for_a_day() {
        assert_eq!(stale(&[(COPY, false, kept(3_600))]), [""; 0]);
        assert_eq!(stale(&[(COPY, false, kept(90_000))]), [COPY]);
    }
}
