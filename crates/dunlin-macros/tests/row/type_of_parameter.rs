use dunlin_backfill::Row;

#[derive(Row)]
struct Person<T> {
    name: T,
}

struct Name;

fn read<T: Row>() {}

fn test() {
    read::<Person<Name>>();
}

fn main() {}
