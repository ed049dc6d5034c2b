#[dunlin::test(migrations = crate::migrations(), fixtures("attribute/files/never_ends.sql"))]
async fn test(_client: tokio_postgres::Client) {}

fn main() {}
