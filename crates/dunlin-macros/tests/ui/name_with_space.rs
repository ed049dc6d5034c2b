fn main() {
    dunlin_macros::embed!("ui/name_with_space");
}
