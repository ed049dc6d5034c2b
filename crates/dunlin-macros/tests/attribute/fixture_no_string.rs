#[dunlin::test(migrations = crate::migrations(), fixtures(users))]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
