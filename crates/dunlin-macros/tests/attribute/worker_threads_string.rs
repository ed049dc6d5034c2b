#[dunlin::test(flavor = "multi_thread", worker_threads = "2")]
async fn test() {}

fn main() {}
