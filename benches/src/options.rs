use crate::Failure;

/// What to measure, and how often.
#[derive(Clone, Debug)]
pub struct Options {
    sections: Vec<Section>,
    quick: bool,
}

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Nothing to do.
    Boot,
    /// A fresh database, one replica.
    Apply,
    /// The same on a server that flushes to a disk.
    Disk,
    /// Fifty at once.
    Replicas,
    /// A migration that waits for a table.
    Stall,
    /// Databases for tests.
    Fresh,
    /// Copies of templates, by strategy, size and place.
    Copies,
    /// A column of many rows that is filled.
    Backfill,
    /// An application that writes meanwhile.
    Writers,
    /// Requests to a service that migrates.
    Probes,
    /// The page of a start.
    Page,
}

impl Section {
    const ALL: [(&'static str, Self); 11] = [
        ("boot", Self::Boot),
        ("apply", Self::Apply),
        ("disk", Self::Disk),
        ("replicas", Self::Replicas),
        ("stall", Self::Stall),
        ("fresh", Self::Fresh),
        ("copies", Self::Copies),
        ("backfill", Self::Backfill),
        ("writers", Self::Writers),
        ("probes", Self::Probes),
        ("page", Self::Page),
    ];
}

impl Options {
    /// Reads the program's arguments: names of sections, all if there are none, and `--quick`.
    ///
    /// # Errors
    /// An argument that is neither.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self { sections: Vec::new(), quick: false };
        for arg in args {
            match (arg.as_str(), Section::ALL.iter().find(|(name, _)| *name == arg)) {
                ("--quick", _) => options.quick = true,
                // What `cargo bench` adds.
                ("--bench", _) => {}
                (_, Some((_, section))) => options.sections.push(*section),
                _ => {
                    return Err(format!(
                        "{arg}: try `boot`, `apply`, `disk`, `replicas`, `stall`, `fresh`, `copies`, `backfill`, `writers`, `probes`, `page`, `--quick`"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, section: Section) -> bool {
        self.sections.is_empty() || self.sections.contains(&section)
    }

    /// Whether any part is wanted in which contestants migrate.
    pub(crate) fn wants_contestants(&self) -> bool {
        self.sections.is_empty()
            || !self.sections.iter().all(|section| {
                matches!(
                    section,
                    Section::Fresh
                        | Section::Copies
                        | Section::Backfill
                        | Section::Writers
                        | Section::Probes
                        | Section::Page
                )
            })
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    /// How many rows a table has that is filled.
    pub(crate) fn filled_rows(&self) -> u32 {
        if self.quick { 200_000 } else { 2_000_000 }
    }

    /// How many rounds to make of what is worth so many.
    pub(crate) fn rounds(&self, rounds: usize) -> usize {
        if self.quick { rounds.div_ceil(4) } else { rounds }
    }
}
