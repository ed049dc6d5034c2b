fn main() {
    dunlin_macros::embed!("ui/name_without_version");
}
