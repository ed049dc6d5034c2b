#[dunlin::test(migrations = crate::migrations(), at = 9223372036854775808)]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
