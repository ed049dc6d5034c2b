#[dunlin::test(migration = "db/migrations", at = "6", flavor = "threads")]
#[test]
fn test<T>(client: &tokio_postgres::Client) {}

fn main() {}
