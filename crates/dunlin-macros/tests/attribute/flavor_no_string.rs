#[dunlin::test(flavor = multi_thread)]
async fn test() {}

fn main() {}
