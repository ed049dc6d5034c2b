#[dunlin::test(migrations = crate::migrations(), fixtures("attribute/files/copy.sql"))]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
