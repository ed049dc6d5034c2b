fn main() {
    dunlin_macros::embed!("ui/string_never_ends");
}
