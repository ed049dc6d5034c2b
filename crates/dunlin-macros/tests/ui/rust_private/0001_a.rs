#[derive(Default)]
struct Migration;
