#[dunlin::test]
fn test() {}

fn main() {}
