#[dunlin::test]
async fn test(client: _) {}

fn main() {}
