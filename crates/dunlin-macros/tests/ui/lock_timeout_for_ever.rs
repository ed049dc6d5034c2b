fn main() {
    dunlin_macros::embed!("ui/lock_timeout_for_ever");
}
