#[dunlin::test]
async fn test(client: &tokio_postgres::Client) {}

fn main() {}
