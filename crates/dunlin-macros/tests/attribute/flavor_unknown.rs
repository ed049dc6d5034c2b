#[dunlin::test(flavor = "multithread")]
async fn test() {}

fn main() {}
