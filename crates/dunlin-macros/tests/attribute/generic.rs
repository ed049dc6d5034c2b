#[dunlin::test]
async fn test<T>()
where
    T: Default,
{
}

fn main() {}
