#[dunlin::test]
#[should_panic]
async fn test() -> Result<(), std::fmt::Error> {
    Ok(())
}

fn main() {}
