#[dunlin::test(migrations = crate::migrations(), fixtures())]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
