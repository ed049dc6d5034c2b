#[dunlin::test]
mod tests {}

fn main() {}
