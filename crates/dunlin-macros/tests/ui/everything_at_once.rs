fn main() {
    dunlin_macros::embed!("ui/everything_at_once");
}
