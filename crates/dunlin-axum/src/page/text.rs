//! How figures read: durations, moments, counts and shares.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// `2.1 ms`, `20.1 s`, `3 min 12 s`, `2 h 5 min`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration < Duration::from_millis(10) && !duration.is_zero() => {
            format!("{:.1} ms", duration.as_secs_f64() * 1e3)
        }
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// [`duration`] without what nobody wants to know of a time that is estimated.
pub(crate) fn about(left: Duration) -> String {
    match left.as_secs() {
        0..1 => "less than a second".to_owned(),
        seconds @ 1..60 => format!("{seconds} s"),
        _ => duration(left),
    }
}

/// A round figure at an axis: `10 ms`, `2.5 s`, `1,000 s`. Seconds all along, so that the next is seen to be ten times this one.
pub(crate) fn mark(mark: Duration) -> String {
    match mark.as_secs() {
        0..60 => duration(mark).replace(".0 ", " "),
        seconds => format!("{} s", count(seconds)),
    }
}

/// What `datetime` wants: `2026-12-01T03:05:43Z`. Empty for a time that no calendar has.
pub(crate) fn machine_time(at: SystemTime) -> String {
    let mut text = String::new();
    match write!(text, "{}", humantime::format_rfc3339_seconds(at)) {
        Ok(()) => text,
        Err(_) => String::new(),
    }
}

/// `2026-12-01 03:05:43`.
pub(crate) fn time(at: SystemTime) -> String {
    machine_time(at).replace('T', " ").trim_end_matches('Z').to_owned()
}

/// `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1,234` of a `usize`.
pub(crate) fn number(number: usize) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX))
}

/// `1 migration`, `12 migrations`.
pub(crate) fn many(number_of: usize, one: &str) -> String {
    format!("{} {one}{}", number(number_of), if number_of == 1 { "" } else { "s" })
}

/// Whole percent, rounded down: what is not done is never 100.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0}", (share * 100.0).floor())
}

/// A rate that people can compare: `0.4`, `12`, `120,000`.
pub(crate) fn rate(rate: f64) -> String {
    match rate {
        rate if rate.is_nan() || rate < 0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        #[expect(clippy::as_conversions, reason = "`as` saturates, and a rate is no exact figure")]
        rate => count(rate as u64),
    }
}

/// The text with a capital at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.trim().chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The sentence with a capital at its beginning and a full stop at its end.
pub(crate) fn sentence(text: &str) -> String {
    let mut text = capital(text);
    if !text.is_empty() && !text.ends_with(['.', '!', '?', ':']) {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_unit_that_people_would_choose() {
        let of = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(duration(Duration::from_micros(420)), "0.4 ms");
        assert_eq!(
            [of(0), of(2), of(48), of(420), of(20_100)],
            ["0 ms", "2.0 ms", "48 ms", "420 ms", "20.1 s"]
        );
        assert_eq!([of(192_000), of(7_500_000), of(200_000_000)], ["3 min 12 s", "2 h 5 min", "2 days 7 h"]);
    }

    #[test]
    fn what_stands_at_an_axis_is_short() {
        let marks = [1, 10, 2_500, 10_000, 100_000, 1_000_000].map(|ms| mark(Duration::from_millis(ms)));
        assert_eq!(marks, ["1 ms", "10 ms", "2.5 s", "10 s", "100 s", "1,000 s"]);
    }

    #[test]
    fn what_is_not_done_is_not_a_hundred_percent() {
        assert_eq!([percent(0.999), percent(1.0), percent(0.0)], ["99", "100", "0"]);
    }

    #[test]
    fn a_time_that_no_calendar_has_is_empty() {
        assert_eq!(time(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)), "2001-09-09 01:46:40");
        assert_eq!(time(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)), "");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([count(7), count(1_234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!([rate(0.42), rate(12.7), rate(120_000.2), rate(f64::NAN)], ["0.4", "12", "120,000", "0"]);
    }

    #[test]
    fn a_fragment_becomes_a_sentence() {
        assert_eq!(
            [sentence("waiting for x"), sentence("Done."), sentence(" ")],
            ["Waiting for x.", "Done.", ""]
        );
    }
}
