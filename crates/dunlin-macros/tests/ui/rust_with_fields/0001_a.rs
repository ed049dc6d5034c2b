pub struct Migration { rows: u32 }
