use std::time::Duration;

use crate::samples::Ratio;
use crate::table::{milliseconds, quartiles, ratio_verdict, verdict};

/// One contestant in a measurement of writing many rows, of which counts what it costs and what it leaves behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) contestant: String,
    pub(crate) time: Option<Duration>,
    pub(crate) ratio: Option<Ratio>,
    /// In bytes for each row.
    pub(crate) wal: Option<f64>,
    pub(crate) wal_ratio: Option<Ratio>,
    /// The size of the table's heap to that before.
    pub(crate) growth: Option<f64>,
    /// The share of the rows whose new version stayed on the page of the old one, and out of the indexes.
    pub(crate) hot: Option<f64>,
    /// The most memory of this process, in megabytes.
    pub(crate) memory: Option<f64>,
    pub(crate) targets: Targets,
}

/// None of these may be exceeded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Targets {
    pub(crate) ratio: Option<f64>,
    pub(crate) wal_ratio: Option<f64>,
    pub(crate) growth: Option<f64>,
    pub(crate) memory: Option<f64>,
}

impl Written {
    pub(crate) const COLUMNS: usize = 14;

    pub(crate) const HEAD: [&str; Self::COLUMNS] = [
        "",
        "",
        "time",
        "ratio",
        "quartiles",
        "target",
        "WAL a row",
        "ratio",
        "target",
        "growth",
        "target",
        "HOT",
        "memory",
        "target",
    ];

    /// The columns that hold words.
    pub(crate) const WORDS: [usize; 6] = [0, 1, 5, 8, 10, 13];

    pub(crate) fn cells(self, name: &str) -> [String; Self::COLUMNS] {
        let Self { contestant, time, ratio, wal, wal_ratio, growth, hot, memory, targets } = self;
        let median = |ratio: Option<Ratio>| {
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.2}", ratio.median))
        };
        let within =
            |target: f64, value: Option<f64>, text| verdict(text, value.is_some_and(|value| value <= target));
        [
            name.to_owned(),
            contestant,
            time.map_or_else(|| "-".to_owned(), milliseconds),
            median(ratio),
            ratio.map_or_else(String::new, quartiles),
            targets.ratio.map_or_else(String::new, |target| ratio_verdict(target, ratio)),
            wal.map_or_else(|| "-".to_owned(), |wal| format!("{wal:.0} B")),
            median(wal_ratio),
            targets.wal_ratio.map_or_else(String::new, |target| ratio_verdict(target, wal_ratio)),
            growth.map_or_else(String::new, |growth| format!("{growth:.2}")),
            targets.growth.map_or_else(String::new, |target| within(target, growth, format!("{target:.2}"))),
            hot.map_or_else(String::new, |hot| format!("{:.0} %", hot * 100.0)),
            memory.map_or_else(String::new, |memory| format!("{memory:.0} MB")),
            targets
                .memory
                .filter(|_| memory.is_some())
                .map_or_else(String::new, |target| within(target, memory, format!("{target:.0} MB"))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;

    #[test]
    fn each_target_is_held_against_its_own_column() {
        let row = |contestant: &str, ratio, growth, targets| Written {
            contestant: contestant.to_owned(),
            time: Some(Duration::from_secs(2)),
            ratio: Some(Ratio { median: ratio, quartiles: (ratio, ratio) }),
            wal: Some(607.4),
            wal_ratio: Some(Ratio { median: ratio / 2.0, quartiles: (ratio, ratio) }),
            growth: Some(growth),
            hot: Some(0.745),
            memory: Some(31.6),
            targets,
        };
        let targets =
            Targets { ratio: Some(1.5), wal_ratio: Some(0.7), growth: Some(1.4), memory: Some(64.0) };
        let mut table = Table::default();
        table.push_written(
            "fill",
            [row("one", 1.0, 2.16, Targets::default()), row("two", 1.45, 1.41, targets)],
        );
        let expected = "\
|      |     |    time | ratio | quartiles | target   | WAL a row | ratio | target      | growth | target      |  HOT | memory | target    |
| ---- | --- | ------: | ----: | --------: | -------- | --------: | ----: | ----------- | -----: | ----------- | ---: | -----: | --------- |
| fill | one | 2000 ms |  1.00 | 1.00-1.00 |          |     607 B |  0.50 |             |   2.16 |             | 74 % |  32 MB |           |
|      | two | 2000 ms |  1.45 | 1.45-1.45 | 1.50 met |     607 B |  0.72 | 0.70 missed |   1.41 | 1.40 missed | 74 % |  32 MB | 64 MB met |
";
        assert_eq!(table.to_string(), expected);
    }
}
