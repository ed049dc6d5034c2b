#[dunlin::test(at = 1, migrations = crate::migrations(), at = 2)]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
