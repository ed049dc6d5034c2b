fn main() {
    dunlin_macros::embed!("ui/rust_without_migration");
}
