#[dunlin::test(migrations = crate::migrations(), at = -1)]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
