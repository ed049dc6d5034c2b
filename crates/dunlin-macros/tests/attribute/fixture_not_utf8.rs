#[dunlin::test(migrations = crate::migrations(), fixtures("attribute/files/latin1.sql"))]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
