use crate::{
    home::Home,
    home_sql::{self, KEPT, Listed},
    manifest::{self, Manifest},
    names::Named,
};

/// For how many seconds what somebody may want to look at stays.
const KEPT_FOR: u64 = 86_400;
/// For how many seconds a template stays that nobody uses.
const UNUSED_FOR: u64 = 7 * 86_400;

/// Drops what the dead have left: templates that were not finished or that nobody uses any more, databases that can't be used
/// again, databases that were kept long enough.
///
/// What belongs to somebody alive is locked. The sweeper locks each database before it touches it.
pub(crate) async fn sweep(home: &Home) {
    let swept = async {
        let maker = home.maker().await.map_err(drop)?;
        let listed = home_sql::list(&maker, &home.facts().names).await.map_err(drop)?;
        for database in listed {
            if is_stale(home, &database) && home_sql::try_lock(&maker, &database.name).await.map_err(drop)? {
                drop_stale(home, &maker, &database).await;
                home_sql::unlock(&maker, &database.name).await.map_err(drop)?;
            }
        }
        home.rest(maker);
        Ok::<(), ()>(())
    };
    if swept.await.is_err() {
        tracing::debug!("could not sweep what earlier runs have left");
    }
}

fn is_stale(home: &Home, database: &Listed) -> bool {
    let comment = database.comment.as_deref().unwrap_or_default();
    let is_older = |than: u64, since: u64| manifest::now().saturating_sub(since) > than;
    match home.facts().names.read(&database.name) {
        Some(Named::Template(_)) => {
            let last_used = Manifest::last_used(comment);
            !database.is_template || last_used.is_none_or(|used| is_older(UNUSED_FOR, used))
        }
        Some(Named::Test { .. }) if comment.starts_with(KEPT) => {
            let since = comment.rsplit(' ').next().and_then(|since| since.parse().ok());
            since.is_some_and(|since| is_older(KEPT_FOR, since))
        }
        // Where copies are cleaned, those of now are for who needs one next.
        Some(Named::Test { is_of_now, .. }) => !is_of_now || !home.facts().has_counters,
        None => false,
    }
}

async fn drop_stale(home: &Home, maker: &tokio_postgres::Client, database: &Listed) {
    // It may have been finished, kept or used while the sweeper looked.
    let listed = home_sql::list(maker, &home.facts().names).await.unwrap_or_default();
    let is_still = listed.iter().any(|now| now.name == database.name && is_stale(home, now));
    if !is_still {
        return;
    }
    tracing::debug!(name = database.name, "dropping what an earlier run has left");
    let dropped = if database.is_template {
        home_sql::drop_template(maker, &database.name).await
    } else {
        home_sql::drop(maker, &database.name).await
    };
    if let Err(error) = dropped {
        tracing::debug!(%error, name = database.name, "could not drop what an earlier run has left");
    }
}
