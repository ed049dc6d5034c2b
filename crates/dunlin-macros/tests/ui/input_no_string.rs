fn main() {
    dunlin_macros::embed!(migrations);
}
