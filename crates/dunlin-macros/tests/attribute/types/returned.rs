#[dunlin::test]
async fn test() -> Option<u64> {
    None
}

fn main() {}
