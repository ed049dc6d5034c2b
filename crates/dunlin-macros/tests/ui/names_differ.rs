fn main() {
    dunlin_macros::embed!("ui/names_differ");
}
