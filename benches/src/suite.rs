use crate::arena::Arena;
use crate::sightings::Shape;
use crate::{
    Batch, Contestant, Dunlin, Failure, Options, Section, SelectOne, Supplier, Table, apply, backfill, boot,
    copies, fresh, page, probes, replicas, stall, writers,
};

/// Measures dunlin and the peers that are given, tells what it is doing, and returns the table and what belongs below
/// it.
///
/// # Errors
/// When a contestant fails where it should not, or there is no server.
pub async fn run(
    peers: &[&dyn Contestant],
    suppliers: &[&dyn Supplier],
    options: &Options,
    tell: impl Fn(&str),
) -> Result<(Table, Vec<String>), Failure> {
    let mut table = Table::default();
    let mut notes = vec![
        "Contestants take turns, and another one begins each round. Times are medians; a ratio is the median over all rounds \
         of the ratio to the first line of its group in the same round (replicas: to the same contestant alone), and half of \
         the rounds lie between the quartiles. Apply: after a round of warm-up. Replicas: until the last has booted or failed."
            .to_owned(),
    ];
    let arena = Arena::in_memory().await?;
    notes.push(format!("{}, `fsync` off, `autovacuum` off, through a Unix socket.", arena.origin()));
    if options.wants(Section::Boot) {
        tell("booting with nothing to do");
        boot::measure(&arena, peers, options, &mut table).await?;
    }
    if options.wants(Section::Apply) {
        tell("applying to a fresh database");
        apply::in_memory(&arena, peers, options, &mut table).await?;
    }
    if options.wants(Section::Replicas) {
        tell("booting 50 replicas at once");
        replicas::measure(&arena, peers, options, &mut table).await?;
    }
    if options.wants(Section::Stall) {
        tell("altering a table behind a reader");
        stall::measure(&arena, options, &mut table, &mut notes).await?;
    }
    if options.wants(Section::Fresh) {
        tell("giving tests their databases");
        let arena = Arena::in_memory().await?;
        fresh::measure(&arena, suppliers, options, &mut table, &mut notes).await?;
    }
    if options.wants(Section::Copies) {
        tell("copying templates");
        let arena = Arena::in_memory().await?;
        copies::measure(&arena, "in memory", options, &mut table).await?;
        let arena = Arena::on_disk().await?;
        copies::measure(&arena, "on disk", options, &mut table).await?;
    }
    if options.wants(Section::Backfill) {
        let arena = Arena::on_disk().await?;
        for shape in Shape::ALL {
            tell(&format!("filling a column: {}", shape.name()));
            backfill::measure(&arena, shape, options, &mut table).await?;
        }
        notes.push(backfill::note(&arena, options));
    }
    if options.wants(Section::Writers) {
        tell("writing beside a backfill");
        let arena = Arena::on_disk().await?;
        writers::measure(&arena, options, &mut table).await?;
        notes.push(writers::note(options));
    }
    if options.wants(Section::Probes) {
        tell("asking a service that migrates whether it is ready");
        let arena = Arena::on_disk().await?;
        probes::measure(&arena, options, &mut table, &mut notes).await?;
    }
    if options.wants(Section::Page) {
        tell("making the page of a start");
        page::measure(options, &mut table);
    }
    if options.wants(Section::Disk) {
        tell("applying to a fresh database on disk");
        let arena = Arena::on_disk().await?;
        notes.push(format!("On disk: {}, `fsync` on, `autovacuum` off.", arena.origin()));
        apply::on_disk(&arena, peers, options, &mut table).await?;
    }
    if !options.wants_contestants() {
        return Ok((table, notes));
    }
    let baselines: [&dyn Contestant; 3] = [&SelectOne, &Batch, &Dunlin];
    let ways = baselines.iter().chain(peers);
    notes.extend(ways.map(|contestant| format!("{}: {}.", contestant.name(), contestant.way())));
    Ok((table, notes))
}
