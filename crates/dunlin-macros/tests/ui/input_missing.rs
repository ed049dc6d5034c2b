fn main() {
    dunlin_macros::embed!();
}
