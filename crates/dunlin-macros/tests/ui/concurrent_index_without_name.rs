fn main() {
    dunlin_macros::embed!("ui/concurrent_index_without_name");
}
