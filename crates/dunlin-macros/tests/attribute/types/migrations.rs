#[dunlin::test(migrations = crate::migrations())]
async fn test(_client: tokio_postgres::Client) {}

fn migrations() -> Vec<&'static str> {
    vec!["CREATE TABLE birds (name text)"]
}

fn main() {}
