fn main() {
    dunlin_macros::embed!("ui/sql_in_folder");
}
