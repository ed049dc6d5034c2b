//! The file names of each tool.

use crate::layouts::Layout;

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) version: i64,
    pub(super) name: String,
    pub(super) half: Half,
}

/// Which scripts of a migration a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// The up script, or all of it.
    Up,
    Down,
}

impl Layout {
    pub(super) fn file_name(self, file: &str) -> Result<FileName, String> {
        let stem = file.strip_suffix(".sql").ok_or("the ending is not `.sql`")?;
        let (stem, half) = match self {
            Self::Sqlx => up_or_down(stem),
            _ => (stem, Half::Up),
        };
        let parts = match self {
            Self::Refinery | Self::Flyway => stem.strip_prefix('V').and_then(|rest| rest.split_once("__")),
            Self::Sqlx | Self::Goose => stem.split_once('_'),
        };
        let (version, name) = parts
            .filter(|(_, name)| !name.is_empty())
            .ok_or_else(|| format!("expected {}", self.grammar()))?;
        let version = match self {
            Self::Flyway => dotted(version)?,
            _ => number(version)?,
        };
        Ok(FileName { version, name: name.to_owned(), half })
    }

    fn grammar(self) -> &'static str {
        match self {
            Self::Refinery => "`V<n>__name.sql`",
            Self::Flyway => "`V<n>[.<n>[.<n>]]__name.sql`",
            Self::Sqlx => "`<n>_name.sql`, `<n>_name.up.sql` or `<n>_name.down.sql`",
            Self::Goose => "`<n>_name.sql`",
        }
    }
}

fn up_or_down(stem: &str) -> (&str, Half) {
    match (stem.strip_suffix(".up"), stem.strip_suffix(".down")) {
        (Some(stem), _) => (stem, Half::Up),
        (_, Some(stem)) => (stem, Half::Down),
        _ => (stem, Half::Up),
    }
}

fn number(digits: &str) -> Result<i64, String> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| format!("`{digits}` is not a version: digits that fit 64 bits"))
}

/// `10.1.2` as 10001002: Flyway compares part by part, and a part that is missing is 0.
fn dotted(version: &str) -> Result<i64, String> {
    let mut parts = version.split(['.', '_']);
    let mut sum = number(parts.next().unwrap_or_default())?;
    for _ in 0..2 {
        let part = parts.next().map_or(Ok(0), number)?;
        sum = (part < 1_000)
            .then_some(sum)
            .and_then(|sum| sum.checked_mul(1_000)?.checked_add(part))
            .ok_or_else(|| {
                format!("version `{version}` does not fit: three digits for each part after the first")
            })?;
    }
    match parts.next() {
        None => Ok(sum),
        Some(_) => Err(format!("version `{version}` does not fit: it has more than three parts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(layout: Layout, file: &str) -> Result<(i64, String, Half), String> {
        layout.file_name(file).map(|name| (name.version, name.name, name.half))
    }

    #[test]
    fn every_layout_has_its_names() {
        let cases = [
            (Layout::Refinery, "V10__counts_by_type.sql", 10, "counts_by_type", Half::Up),
            (Layout::Sqlx, "20220421174016_larger-commands.sql", 20220421174016, "larger-commands", Half::Up),
            (Layout::Sqlx, "7_a.up.sql", 7, "a", Half::Up),
            (Layout::Sqlx, "7_a.down.sql", 7, "a", Half::Down),
            (Layout::Flyway, "V2__1009_Fix_Index.sql", 2_000_000, "1009_Fix_Index", Half::Up),
            (Layout::Flyway, "V10.1__notify.sql", 10_001_000, "notify", Half::Up),
            (Layout::Flyway, "V10_1_2__notify.sql", 10_001_002, "notify", Half::Up),
            (Layout::Goose, "006_add_collate_index.sql", 6, "add_collate_index", Half::Up),
        ];
        for (layout, file, version, name, half) in cases {
            assert_eq!(read(layout, file), Ok((version, name.to_owned(), half)), "{file}");
        }
    }

    #[test]
    fn what_is_not_of_the_layout_is_an_error() {
        let cases = [
            (Layout::Refinery, "U1__a.sql", "expected `V<n>__name.sql`"),
            (Layout::Refinery, "V1_a.sql", "expected `V<n>__name.sql`"),
            (Layout::Refinery, "V1.5__a.sql", "`1.5` is not a version: digits that fit 64 bits"),
            (Layout::Flyway, "R__views.sql", "expected `V<n>[.<n>[.<n>]]__name.sql`"),
            (
                Layout::Flyway,
                "V1.1000__a.sql",
                "version `1.1000` does not fit: three digits for each part after the first",
            ),
            (
                Layout::Flyway,
                "V1.2.3.4__a.sql",
                "version `1.2.3.4` does not fit: it has more than three parts",
            ),
            (
                Layout::Flyway,
                "V20240101120000__a.sql",
                "version `20240101120000` does not fit: three digits for each part after the first",
            ),
            (Layout::Sqlx, "init.sql", "expected `<n>_name.sql`, `<n>_name.up.sql` or `<n>_name.down.sql`"),
            (Layout::Goose, "+1_a.sql", "`+1` is not a version: digits that fit 64 bits"),
            (Layout::Goose, "1_.sql", "expected `<n>_name.sql`"),
        ];
        for (layout, file, message) in cases {
            assert_eq!(read(layout, file), Err(message.to_owned()), "{file}");
        }
    }

    #[test]
    fn dotted_versions_stand_between_their_neighbours() {
        let sorted =
            ["1", "1.1", "1.1.1", "1.2", "1.10", "2", "10", "10.1", "11"].map(|v| dotted(v).unwrap());
        assert!(sorted.is_sorted_by(|a, b| a < b), "{sorted:?}");
        assert_eq!(dotted("3.0"), dotted("3"));
    }
}
