#[dunlin::test]
const fn test() {}

fn main() {}
