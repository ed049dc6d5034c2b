fn main() {
    dunlin_macros::embed!("ui/vacuum/0001_a.sql");
}
