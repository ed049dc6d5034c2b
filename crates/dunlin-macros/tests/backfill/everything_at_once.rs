use dunlin_backfill::migration;

pub struct Migration;

#[migration(inline)]
impl Iterator for Migration {
    type Item = ();

    fn next(&mut self) -> Option<()> {
        None
    }
}

fn main() {}
