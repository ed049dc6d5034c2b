use std::fmt;

/// A requirement that is not met: what is wrong, and what to do.
///
/// It is what a check of a [`Requirement`](crate::Requirement) fails with that has both to say, and what
/// [`Error::unmet`](crate::Error::unmet) tells. `Display` is `name (what: remedy)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Unmet {
    name: String,
    what: String,
    remedy: Option<String>,
}

impl Unmet {
    /// What is wrong, as a fragment: `the server is PostgreSQL 14.2`.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { name: String::new(), what: what.into(), remedy: None }
    }

    /// What to do, as a fragment: ``run `GRANT CREATE ON SCHEMA app TO orders` ``.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn of(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// The requirement's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do, where the check says it.
    #[must_use]
    pub fn what_to_do(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, what, remedy } = self;
        match remedy {
            Some(remedy) => write!(f, "{name} ({what}: {remedy})"),
            None => write!(f, "{name} ({what})"),
        }
    }
}

impl std::error::Error for Unmet {}
