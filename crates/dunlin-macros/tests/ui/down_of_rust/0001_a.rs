pub struct Migration;
