fn main() {
    dunlin_macros::embed!("ui/directive_too_late");
}
