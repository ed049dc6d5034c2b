struct Failure;

#[dunlin::test]
async fn test() -> Result<(), Failure> {
    Err(Failure)
}

fn main() {}
