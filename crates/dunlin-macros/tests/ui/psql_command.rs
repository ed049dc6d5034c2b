fn main() {
    dunlin_macros::embed!("ui/psql_command");
}
