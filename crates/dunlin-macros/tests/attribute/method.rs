struct Tests;

impl Tests {
    #[dunlin::test]
    async fn test(&self) {}
}

fn main() {}
