fn main() {
    dunlin_macros::embed!("ui/empty_file");
}
