fn main() {
    dunlin_macros::embed!(1);
}
