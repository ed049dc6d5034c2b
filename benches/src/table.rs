use std::fmt;
use std::time::Duration;

use crate::markdown::markdown;
use crate::samples::Ratio;
use crate::written::Written;

/// What was measured, as markdown that is readable as it is: a table, and below it one of what writes many rows, which has
/// columns of its own.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<[String; COLUMNS]>,
    written: Vec<[String; Written::COLUMNS]>,
}

const COLUMNS: usize = 10;

const HEAD: [&str; COLUMNS] =
    ["", "", "time", "ratio", "quartiles", "target", "server CPU", "ratio", "round trips", "failed"];

/// One contestant in one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) contestant: String,
    pub(crate) time: Option<Duration>,
    pub(crate) ratio: Option<Ratio>,
    pub(crate) target: Option<f64>,
    /// A target for the time itself.
    pub(crate) limit: Option<Duration>,
    /// What the server's process has worked, and its ratio.
    pub(crate) cpu: Option<Duration>,
    pub(crate) cpu_ratio: Option<Ratio>,
    pub(crate) round_trips: Option<usize>,
    /// How many failed, of how many.
    pub(crate) failed: Option<(usize, usize)>,
}

impl Table {
    /// Adds the rows of a measurement. Its name stands in the first of them.
    pub(crate) fn push(&mut self, measurement: &str, rows: impl IntoIterator<Item = Row>) {
        let names = std::iter::once(measurement).chain(std::iter::repeat(""));
        self.rows.extend(names.zip(rows).map(|(name, row)| row.cells(name)));
    }

    /// Adds those of a measurement of writing.
    pub(crate) fn push_written(&mut self, measurement: &str, rows: impl IntoIterator<Item = Written>) {
        let names = std::iter::once(measurement).chain(std::iter::repeat(""));
        self.written.extend(names.zip(rows).map(|(name, row)| row.cells(name)));
    }
}

impl Row {
    fn cells(self, name: &str) -> [String; COLUMNS] {
        let ratio = |target: f64| ratio_verdict(target, self.ratio);
        let time =
            |limit: Duration| verdict(milliseconds(limit), self.time.is_some_and(|time| time <= limit));
        [
            name.to_owned(),
            self.contestant,
            self.time.map_or_else(|| "-".to_owned(), milliseconds),
            self.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.2}", ratio.median)),
            self.ratio.map_or_else(String::new, quartiles),
            self.target.map(ratio).or(self.limit.map(time)).unwrap_or_default(),
            self.cpu.map_or_else(String::new, milliseconds),
            self.cpu_ratio.map_or_else(String::new, |ratio| format!("{:.2}", ratio.median)),
            self.round_trips.map_or_else(String::new, |count| count.to_string()),
            match self.failed {
                None => String::new(),
                Some((failed, of)) => format!("{failed} of {of}"),
            },
        ]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rows.is_empty() || self.written.is_empty() {
            markdown(f, &HEAD, &self.rows, &[0, 1, 5])?;
        }
        if self.written.is_empty() {
            return Ok(());
        }
        if !self.rows.is_empty() {
            f.write_str("\n")?;
        }
        markdown(f, &Written::HEAD, &self.written, &Written::WORDS)
    }
}

pub(crate) fn verdict(target: String, is_met: bool) -> String {
    format!("{target} {}", if is_met { "met" } else { "missed" })
}

pub(crate) fn ratio_verdict(target: f64, ratio: Option<Ratio>) -> String {
    verdict(format!("{target:.2}"), ratio.is_some_and(|ratio| ratio.median <= target))
}

pub(crate) fn quartiles(Ratio { quartiles: (low, high), .. }: Ratio) -> String {
    format!("{low:.2}-{high:.2}")
}

pub(crate) fn milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    match milliseconds {
        ..10.0 => format!("{milliseconds:.3} ms"),
        ..100.0 => format!("{milliseconds:.1} ms"),
        _ => format!("{milliseconds:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_held_against_the_time() {
        let verdict = |time| {
            let row = Row {
                time: Some(Duration::from_millis(time)),
                limit: Some(Duration::from_millis(250)),
                ..Row::default()
            };
            row.cells("")[5].clone()
        };
        assert_eq!((verdict(250), verdict(251)), ("250 ms met".to_owned(), "250 ms missed".to_owned()));
    }

    #[test]
    fn a_target_that_was_missed_says_so() {
        let mut table = Table::default();
        let row = |contestant: &str, ratio, target| Row {
            contestant: contestant.to_owned(),
            time: Some(Duration::from_millis(12)),
            ratio: Some(Ratio { median: ratio, quartiles: (ratio, ratio) }),
            target,
            ..Row::default()
        };
        table.push(
            "boot",
            [row("one", 1.0, None), row("two", 1.2, Some(1.25)), row("three", 1.26, Some(1.25))],
        );
        let expected = "\
|      |       |    time | ratio | quartiles | target      | server CPU | ratio | round trips | failed |
| ---- | ----- | ------: | ----: | --------: | ----------- | ---------: | ----: | ----------: | -----: |
| boot | one   | 12.0 ms |  1.00 | 1.00-1.00 |             |            |       |             |        |
|      | two   | 12.0 ms |  1.20 | 1.20-1.20 | 1.25 met    |            |       |             |        |
|      | three | 12.0 ms |  1.26 | 1.26-1.26 | 1.25 missed |            |       |             |        |
";
        assert_eq!(table.to_string(), expected);
    }
}
