fn main() {
    dunlin_macros::embed!("ui/no_break_space");
}
