use dunlin_backfill::Change;

#[derive(Change)]
enum Named {
    Named { name: String },
}

fn main() {}
