use dunlin_backfill::Row;

#[derive(Row)]
#[row(skip)]
struct Person {
    #[row(column = "", rename = "a")]
    id: i64,
    #[row(sql = "lower(name", skip)]
    name: String,
    #[row]
    email: &'static str,
    #[row(skip = true)]
    score: f64,
}

// That it is no row is not one more mistake.
fn read<T: Row>() {}

fn test() {
    read::<Person>();
}

fn main() {}
