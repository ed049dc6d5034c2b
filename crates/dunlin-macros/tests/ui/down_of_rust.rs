fn main() {
    dunlin_macros::embed!("ui/down_of_rust");
}
