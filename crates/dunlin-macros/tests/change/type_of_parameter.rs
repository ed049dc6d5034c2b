use dunlin_backfill::Change;

#[derive(Change)]
struct Named<T> {
    name: T,
}

struct Name;

fn write<T: Change>() {}

fn test() {
    write::<Named<Name>>();
}

fn main() {}
