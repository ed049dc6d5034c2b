#[dunlin::test(flavor = "current_thread", worker_threads = 2)]
async fn test() {}

fn main() {}
