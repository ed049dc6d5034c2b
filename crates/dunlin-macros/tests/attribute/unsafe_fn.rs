#[dunlin::test]
async unsafe fn test() {}

fn main() {}
