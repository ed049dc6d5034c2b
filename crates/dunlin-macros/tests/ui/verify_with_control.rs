fn main() {
    dunlin_macros::embed!("ui/verify_with_control");
}
