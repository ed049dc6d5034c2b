fn main() {
    dunlin_macros::embed!("ui/concurrent_index_if_not_exists");
}
