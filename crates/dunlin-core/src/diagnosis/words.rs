//! How a diagnosis words ages, sizes and names.

use std::time::Duration;

/// An age, in one unit.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A size, in one unit.
pub(crate) fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    match bytes {
        0..0x2800 => format!("{bytes} bytes"),
        0x2800..0x0028_0000 => format!("{} kB", bytes / KIB),
        0x0028_0000..0xa000_0000 => format!("{} MB", bytes / KIB / KIB),
        _ => format!("{} GB", bytes / KIB / KIB / KIB),
    }
}

/// So many of something.
pub(crate) fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A name of the catalog as it stands in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_have_one_unit() {
        let ages = [0, 119, 120, 7_199, 7_200, 172_800].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
        let sizes = [0, 8_192, 16_384, 20 << 20, 30 << 30].map(size);
        assert_eq!(sizes, ["0 bytes", "8192 bytes", "16 kB", "20 MB", "30 GB"]);
    }
}
