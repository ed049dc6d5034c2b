fn main() {
    dunlin_macros::embed!("ui/dollar_quote_never_ends");
}
