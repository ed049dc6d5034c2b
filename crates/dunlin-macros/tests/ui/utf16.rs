fn main() {
    dunlin_macros::embed!("ui/utf16");
}
