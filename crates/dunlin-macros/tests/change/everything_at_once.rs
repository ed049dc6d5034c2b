use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(column = "", skip)]
    id: i64,
    #[change(cast = "text(")]
    name: String,
    #[change(column = "name")]
    email: String,
}

// That it is no change is not one more mistake.
fn write<T: Change>() {}

fn test() {
    write::<Named>();
}

fn main() {}
