fn main() {
    dunlin_macros::embed!("ui", "vacuum");
}
