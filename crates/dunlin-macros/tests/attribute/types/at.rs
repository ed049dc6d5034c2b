const LAST: &str = "6";

#[dunlin::test(migrations = crate::migrations(), at = LAST)]
async fn test(_client: tokio_postgres::Client) {}

fn migrations() -> dunlin::MigrationSet {
    dunlin::MigrationSet::builder().build().unwrap()
}

fn main() {}
