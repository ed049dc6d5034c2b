#[dunlin::test]
async fn test(#[cfg(unix)] client: tokio_postgres::Client) {}

fn main() {}
