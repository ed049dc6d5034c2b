use std::env;

use crate::{
    error::{Error, Fault},
    home::Home,
    home_sql::{self, KEPT, Kind},
    manifest, session,
};

/// What the environment says: whether every database is kept, or none. `None` if that is for the test's outcome to say.
pub(crate) fn asked_for() -> Result<Option<bool>, Error> {
    const NAME: &str = "DUNLIN_TEST_KEEP";
    let value = env::var_os(NAME).unwrap_or_default().to_string_lossy().into_owned();
    match value.as_str() {
        "" => Ok(None),
        "0" => Ok(Some(false)),
        "1" => Ok(Some(true)),
        _ => {
            let wanted = "`1` to keep the database of every test, or `0` to keep none";
            Err(Fault::Variable { name: NAME, value, wanted }.into())
        }
    }
}

/// Marks the database, or the schema, as kept, and drops what the same test has left earlier.
pub(crate) async fn keep(home: &Home, kind: Kind, name: &str, test: &str) -> Result<(), Error> {
    let failed = |source| Fault::Ask { source };
    let maker = home.maker().await?;
    // Tests of several programs may be called alike.
    let whose = format!("{test} in {}", session::program());
    let comment = format!("{KEPT} since {} for {whose}", manifest::now());
    home_sql::comment(&maker, kind, name, &comment).await.map_err(failed)?;
    for earlier in home_sql::list(&maker, &home.facts().names).await.map_err(failed)? {
        let is_same = earlier.name != name
            && earlier.comment.as_deref().and_then(read).is_some_and(|(_, other)| other == whose);
        // Somebody alive may have kept it.
        if is_same && home_sql::try_lock(&maker, &earlier.name).await.map_err(failed)? {
            home_sql::drop(&maker, earlier.kind, &earlier.name).await.map_err(failed)?;
            home_sql::unlock(&maker, &earlier.name).await.map_err(failed)?;
        }
    }
    home.rest(maker);
    Ok(())
}

/// Since when the database with this comment is kept, in seconds since 1970, and for whom; `None` if it is not.
pub(crate) fn read(comment: &str) -> Option<(u64, &str)> {
    let (since, whose) = comment.strip_prefix(KEPT)?.strip_prefix(" since ")?.split_once(" for ")?;
    Some((since.parse().ok()?, whose))
}
