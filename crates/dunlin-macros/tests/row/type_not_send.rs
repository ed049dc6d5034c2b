use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(skip)]
    name: Option<std::rc::Rc<str>>,
}

fn main() {}
