fn main() {
    dunlin_macros::embed!("ui/name_of_refinery");
}
