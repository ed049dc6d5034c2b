use std::{fmt, str::FromStr};

/// What kind of thing an [`Object`](crate::Object) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ObjectKind {
    /// A schema.
    Schema,
    /// An extension: its version, and the schema that it is in.
    Extension,
    /// Of another kind, of which it is only told that it is there: an operator, an operator class or family, a cast, a
    /// collation, a conversion, a language, a transform, an access method, a text search object, a foreign data wrapper, a
    /// foreign server, a base type. The name begins with the kind.
    Other,
    /// An enum type: its labels in order.
    Enum,
    /// A domain: its type, default and constraints.
    Domain,
    /// A type of several attributes, in order.
    CompositeType,
    /// A range type.
    RangeType,
    /// A sequence: its type, its parameters where they are not the usual ones, and the column that it belongs to.
    Sequence,
    /// A table, partitioned or not: persistence, partitioning, inheritance, options, row security, columns in order.
    Table,
    /// A foreign table.
    ForeignTable,
    /// A view: its definition, its options, its columns in order.
    View,
    /// A materialized view: as a view, and whether it is populated.
    MaterializedView,
    /// A constraint of a table: its definition, which says whether it is validated; and of the index behind it whether that
    /// is valid, and what its definition does not say.
    Constraint,
    /// An index that does not stand behind a constraint: its definition, and whether it is valid.
    Index,
    /// Extended statistics.
    Statistics,
    /// A function, also a window function.
    Function,
    /// A procedure.
    Procedure,
    /// An aggregate function.
    Aggregate,
    /// A trigger: its definition, and whether it is enabled.
    Trigger,
    /// A rewrite rule: its definition, and whether it is enabled.
    Rule,
    /// A policy of row security.
    Policy,
    /// An event trigger.
    EventTrigger,
    /// A publication: what it publishes of which tables.
    Publication,
    /// Privileges of objects that are yet to come; only where [`SchemaReader::privileges`](crate::SchemaReader::privileges)
    /// asks for them.
    DefaultPrivileges,
}

impl ObjectKind {
    const ALL: [(Self, &'static str); 24] = [
        (Self::Schema, "schema"),
        (Self::Extension, "extension"),
        (Self::Other, "other"),
        (Self::Enum, "enum"),
        (Self::Domain, "domain"),
        (Self::CompositeType, "composite type"),
        (Self::RangeType, "range type"),
        (Self::Sequence, "sequence"),
        (Self::Table, "table"),
        (Self::ForeignTable, "foreign table"),
        (Self::View, "view"),
        (Self::MaterializedView, "materialized view"),
        (Self::Constraint, "constraint"),
        (Self::Index, "index"),
        (Self::Statistics, "statistics"),
        (Self::Function, "function"),
        (Self::Procedure, "procedure"),
        (Self::Aggregate, "aggregate"),
        (Self::Trigger, "trigger"),
        (Self::Rule, "rule"),
        (Self::Policy, "policy"),
        (Self::EventTrigger, "event trigger"),
        (Self::Publication, "publication"),
        (Self::DefaultPrivileges, "default privileges"),
    ];

    /// Returns the kind in words, for example `materialized view`.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("other", |(_, words)| words)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads what [`ObjectKind::as_str`] writes.
impl FromStr for ObjectKind {
    type Err = ();

    fn from_str(words: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|(_, known)| *known == words).map(|(kind, _)| *kind).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_round_trip_and_each_has_words_of_its_own() {
        for (kind, words) in ObjectKind::ALL {
            assert_eq!((kind.as_str(), words.parse()), (words, Ok(kind)));
        }
        assert!("tables".parse::<ObjectKind>().is_err());
    }
}
