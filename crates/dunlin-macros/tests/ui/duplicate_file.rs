fn main() {
    dunlin_macros::embed!("ui/duplicate_file");
}
