use std::{fmt, str::FromStr};

/// The oldest major version that is used: `DROP DATABASE ... WITH (FORCE)` came with it.
pub(crate) const OLDEST: u32 = 13;

/// The major version that is provisioned when nobody asks for another.
pub(crate) const PROVISIONED: u32 = 17;

/// A PostgreSQL version, as `postgres --version` and `server_version` have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    number: String,
    major: u32,
}

impl Version {
    pub(crate) fn major(&self) -> u32 {
        self.major
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.number)
    }
}

impl FromStr for Version {
    type Err = String;

    /// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` as well as `15.18` and `18beta1`.
    fn from_str(text: &str) -> Result<Self, String> {
        text.split_whitespace()
            .find_map(|word| {
                let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
                let major = word.get(..end)?.parse().ok()?;
                Some(Self { number: word.to_owned(), major })
            })
            .ok_or_else(|| format!("{text:?} has no version in it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_print() {
        let read = |text: &str| text.parse::<Version>().map(|v| (v.to_string(), v.major()));

        assert_eq!(read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Ok(("15.18".into(), 15)));
        assert_eq!(read("postgres (PostgreSQL) 18beta1"), Ok(("18beta1".into(), 18)));
        assert_eq!(read("17.10"), Ok(("17.10".into(), 17)));
        assert_eq!(read("psql"), Err("\"psql\" has no version in it".into()));
    }
}
