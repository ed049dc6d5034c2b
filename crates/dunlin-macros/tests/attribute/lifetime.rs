#[dunlin::test]
async fn test<'a>() {}

fn main() {}
