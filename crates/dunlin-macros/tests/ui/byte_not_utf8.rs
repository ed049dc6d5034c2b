fn main() {
    dunlin_macros::embed!("ui/byte_not_utf8");
}
