#[dunlin::test(crate::migrations())]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
