#[dunlin::test]
async extern "C" fn test() {}

fn main() {}
