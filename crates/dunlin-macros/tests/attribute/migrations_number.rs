#[dunlin::test(migrations = 7)]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
