fn main() {
    dunlin_macros::embed!("ui/version_too_large");
}
