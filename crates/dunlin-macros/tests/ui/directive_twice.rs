fn main() {
    dunlin_macros::embed!("ui/directive_twice");
}
