fn main() {
    dunlin_macros::embed!("/srv/migrations");
}
