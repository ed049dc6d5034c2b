fn main() {
    dunlin_macros::embed!("ui/copy_from_stdin");
}
