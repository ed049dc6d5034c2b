#[dunlin::test]
async fn test(client: impl Send) {}

fn main() {}
