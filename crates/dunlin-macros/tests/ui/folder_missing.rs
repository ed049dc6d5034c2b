fn main() {
    dunlin_macros::embed!("ui/migratoins");
}
