#[dunlin::test]
async fn test() -> Result<(), std::fmt::Error> {
    Ok(1)
}

fn main() {}
