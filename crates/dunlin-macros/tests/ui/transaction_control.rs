fn main() {
    dunlin_macros::embed!("ui/transaction_control");
}
