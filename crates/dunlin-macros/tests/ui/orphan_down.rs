fn main() {
    dunlin_macros::embed!("ui/orphan_down");
}
