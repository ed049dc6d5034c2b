trait Tests {
    #[dunlin::test]
    async fn test();
}

fn main() {}
