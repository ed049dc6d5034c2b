#[dunlin::test]
#[tokio::test]
async fn test() {}

fn main() {}
