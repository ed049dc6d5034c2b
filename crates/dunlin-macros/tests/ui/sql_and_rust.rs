fn main() {
    dunlin_macros::embed!("ui/sql_and_rust");
}
