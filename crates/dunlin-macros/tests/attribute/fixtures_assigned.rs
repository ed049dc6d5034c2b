#[dunlin::test(migrations = crate::migrations(), fixtures = ["attribute/files/users.sql"])]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
