use std::{fmt, str::FromStr};

/// What the names of all databases begin with that are not templates.
const TEST: &str = "dunlin_test";
const TEMPLATE: &str = "dunlin_template";

/// What decides what is in a template database, as 64 bits of a hash. The empty one is PostgreSQL's own `template0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Empty,
    Of(u64),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Of(hash) => write!(f, "{hash:016x}"),
        }
    }
}

impl FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "empty" => Ok(Self::Empty),
            _ if text.len() == 16 => u64::from_str_radix(text, 16).map(Self::Of).map_err(drop),
            _ => Err(()),
        }
    }
}

/// The names of the databases of one home: the maintenance database whose advisory locks are the signs of life, and the role
/// that owns all of them.
///
/// Advisory locks belong to a database. Whoever comes through another maintenance database of the same server does not see
/// them, so its databases are none of his: the home is in the names. None of them needs quoting.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    home: u32,
    /// What tells who may take a database over. It changes when the server crashes, as the counters that tell a clean database
    /// from others do not survive that, and it is another where another will is made: that of those who have gone drops
    /// their databases, whoever has them by then.
    epoch: u32,
}

impl Names {
    pub(crate) fn new(home: u32, epoch: u32) -> Self {
        Self { home, epoch }
    }

    /// The names of those who alone take over what they have left to each other.
    pub(crate) fn among(self, token: u32) -> Self {
        Self { epoch: self.epoch ^ token, ..self }
    }

    pub(crate) fn template(&self, key: Key) -> String {
        format!("{TEMPLATE}_{}_{key}", self.home)
    }

    /// A name that no other database has.
    pub(crate) fn database(&self, key: Key, random: u64) -> String {
        format!("{}{:012x}", self.prefix(key), random >> 16)
    }

    /// What the names of all databases with this key begin with.
    pub(crate) fn prefix(&self, key: Key) -> String {
        format!("{TEST}_{}_{key}_{:08x}_", self.home, self.epoch)
    }

    /// What the names of all templates begin with, and those of all other databases.
    pub(crate) fn prefixes(&self) -> [String; 2] {
        [TEMPLATE, TEST].map(|kind| format!("{kind}_{}_", self.home))
    }

    /// Reads a name; `None` if it is not one of this home's.
    pub(crate) fn read(&self, name: &str) -> Option<Named> {
        let [templates, tests] = self.prefixes();
        if let Some(key) = name.strip_prefix(&templates) {
            return key.parse().ok().map(Named::Template);
        }
        let mut parts = name.strip_prefix(&tests)?.split('_');
        let key = parts.next()?.parse().ok()?;
        let epoch = u32::from_str_radix(parts.next()?, 16).ok()?;
        let random = parts.next()?;
        let is_random = random.len() == 12 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_random && parts.next().is_none()).then_some(Named::Test { key, is_of_now: epoch == self.epoch })
    }
}

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Template(Key),
    /// `is_of_now`: the server has not crashed since, and it was made under this will.
    Test {
        key: Key,
        is_of_now: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_are_read_back() {
        let names = Names::new(u32::MAX, 7);
        for key in [Key::Empty, Key::Of(0), Key::Of(u64::MAX)] {
            let (template, test) = (names.template(key), names.database(key, u64::MAX));
            assert!(template.len() <= 63 && test.len() <= 63, "{template} {test}");
            assert_eq!(names.read(&template), Some(Named::Template(key)));
            assert_eq!(names.read(&test), Some(Named::Test { key, is_of_now: true }));
            let later = Names::new(u32::MAX, 8);
            assert_eq!(later.read(&test), Some(Named::Test { key, is_of_now: false }));
            assert_eq!(Names::new(1, 7).read(&test), None, "another home's");
        }
    }

    #[test]
    fn what_somebody_else_has_named_is_not_ours() {
        let names = Names::new(5, 7);
        for name in [
            "dunlin_test_5",
            "dunlin_test_5_empty_00000007",
            "dunlin_test_5_empty_00000007_0123",
            "dunlin_test_5_empty_00000007_0123456789ab_more",
            "dunlin_test_5_mine_00000007_0123456789ab",
            "dunlin_test_50_empty_00000007_0123456789ab",
            "dunlin_template_5_birds",
            "birds",
        ] {
            assert_eq!(names.read(name), None, "{name}");
        }
    }
}
