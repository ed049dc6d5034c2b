#[dunlin::test]
#[test]
async fn test() {}

fn main() {}
