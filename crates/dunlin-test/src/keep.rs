use crate::{
    error::{Error, Fault},
    home::Home,
    home_sql::{self, KEPT, Kind},
    manifest,
};

/// Marks the database, or the schema, as kept, and drops what the same test has left earlier.
pub(crate) async fn keep(home: &Home, kind: Kind, name: &str, test: &str) -> Result<(), Error> {
    let failed = |source| Fault::Ask { source };
    let maker = home.maker().await?;
    let mark = format!("{KEPT} for {test} since ");
    home_sql::comment(&maker, kind, name, &format!("{mark}{}", manifest::now())).await.map_err(failed)?;
    for earlier in home_sql::list(&maker, &home.facts().names).await.map_err(failed)? {
        let is_same =
            earlier.name != name && earlier.comment.is_some_and(|comment| comment.starts_with(&mark));
        // Somebody alive may have kept it.
        if is_same && home_sql::try_lock(&maker, &earlier.name).await.map_err(failed)? {
            home_sql::drop(&maker, earlier.kind, &earlier.name).await.map_err(failed)?;
            home_sql::unlock(&maker, &earlier.name).await.map_err(failed)?;
        }
    }
    home.rest(maker);
    Ok(())
}
