#[dunlin::test(migrations = crate::migrations(), fixtures("/srv/users.sql"))]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
