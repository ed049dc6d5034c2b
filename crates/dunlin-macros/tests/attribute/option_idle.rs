#[dunlin::test(migrations = crate::migrations())]
async fn test() {}

fn main() {}
