//! Fills `first_name` and `last_name` from `name`.

use dunlin::{BoxError, Context, RustMigration};

/// Splits at the first space.
pub struct Migration;

impl RustMigration for Migration {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let client = cx.client();
        client.batch_execute("ALTER TABLE users ADD first_name text, ADD last_name text").await?;
        for row in client.query("SELECT id, name FROM users", &[]).await? {
            let (id, name): (i64, String) = (row.get(0), row.get(1));
            let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
            let sql = "UPDATE users SET first_name = $2, last_name = $3 WHERE id = $1";
            client.execute(sql, &[&id, &first, &last]).await?;
        }
        Ok(())
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let sql = "SELECT count(*) FROM users WHERE first_name IS NULL";
        match cx.client().query_one(sql, &[]).await?.get::<_, i64>(0) {
            0 => Ok(()),
            left => Err(format!("{left} users have no first name").into()),
        }
    }
}
