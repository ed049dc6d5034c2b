fn main() {
    dunlin_macros::embed!("ui/unknown_ending");
}
