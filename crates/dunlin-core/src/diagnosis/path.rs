use std::fmt;

use tokio_postgres::SimpleQueryRow;

use super::words::quoted;
use super::{DiagnosisFinding, Severity, Subject};
use crate::wire::{flag, text};

/// A schema that migrations look in for what they do not qualify.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PathSchema {
    pub(super) name: String,
    pub(super) create: bool,
    pub(super) public_create: bool,
}

impl PathSchema {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        let name = text(row, "name")?.to_owned();
        Some(Self { name, create: flag(row, "own"), public_create: flag(row, "everybody") })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the role may create in it.
    #[must_use]
    pub fn may_create(&self) -> bool {
        self.create
    }

    /// Whether everybody may.
    #[must_use]
    pub fn public_may_create(&self) -> bool {
        self.public_create
    }

    /// What is wrong with a path.
    pub(crate) fn findings(path: &[Self]) -> Vec<DiagnosisFinding> {
        let mut findings = Vec::new();
        let mut found = |what: String, advice: String| {
            findings.push(DiagnosisFinding::new(Severity::Warning, Subject::SearchPath, what, advice));
        };
        match path.first() {
            None => found(
                "no schema of the search path is there, or the role may use none".to_owned(),
                "qualify every name in migrations, or set the path with `Migrator::search_path`".to_owned(),
            ),
            Some(first) if !first.create => found(
                format!("the role may not create in {}, the first schema of its search path", first.name),
                "qualify the names of new tables, or grant it CREATE there".to_owned(),
            ),
            _ => {}
        }
        for schema in path.iter().filter(|schema| schema.public_create) {
            let name = quoted(&schema.name);
            found(
                format!(
                    "everybody may create in schema {name}, which is on the search path: a function or an operator put \
                     there runs with the rights of whoever migrates"
                ),
                format!("`REVOKE CREATE ON SCHEMA {name} FROM PUBLIC`"),
            );
        }
        findings
    }
}

impl fmt::Display for PathSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        f.write_str(match (self.public_create, self.create) {
            (true, _) => " (everybody may create)",
            (_, true) => " (may create)",
            _ => "",
        })
    }
}
