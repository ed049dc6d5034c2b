#[dunlin::test]
#[rstest]
#[case(1)]
async fn test(#[case] n: i64) {}

fn main() {}
