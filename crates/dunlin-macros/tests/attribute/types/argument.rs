struct Store;

#[dunlin::test(migrations = crate::migrations())]
async fn test(_client: tokio_postgres::Client, _store: Vec<Store>) {}

fn migrations() -> dunlin::MigrationSet {
    dunlin::MigrationSet::builder().build().unwrap()
}

fn main() {}
