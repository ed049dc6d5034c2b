use std::{cmp::Ordering, collections::HashSet, fmt};

use similar::{ChangeTag, TextDiff};

use crate::schema::{
    Schema,
    kind::ObjectKind,
    object::{Attribute, Object, Title},
};

/// How one [`Schema`] differs from another: made by [`Schema::diff`].
///
/// [`Display`](fmt::Display) writes it as `git diff` does. Lines with `-` are about the schema that `diff` was called on, those
/// with `+` about the other one. It writes nothing where there is no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SchemaDiff {
    differences: Vec<Difference>,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Difference {
    /// Only the first schema has it.
    Removed(Object),
    /// Only the second schema has it.
    Added(Object),
    /// Both have it.
    #[non_exhaustive]
    Changed {
        /// What it is.
        kind: ObjectKind,
        /// What it is called, as [`Object::name`] says.
        name: String,
        /// What is not the same; never empty.
        attributes: Vec<AttributeChange>,
    },
}

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AttributeChange {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

/// What the order of the attributes is called, that is of a table's columns.
const ORDER: &str = "order";

impl SchemaDiff {
    pub(crate) fn between(old: &Schema, new: &Schema) -> Self {
        let (mut old, mut new) = (old.objects().iter().peekable(), new.objects().iter().peekable());
        let mut differences = Vec::new();
        loop {
            let first = match (old.peek(), new.peek()) {
                (None, None) => return Self { differences },
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.key().cmp(&new.key()),
            };
            match first {
                Ordering::Less => differences.extend(old.next().cloned().map(Difference::Removed)),
                Ordering::Greater => differences.extend(new.next().cloned().map(Difference::Added)),
                Ordering::Equal => {
                    if let (Some(old), Some(new)) = (old.next(), new.next()) {
                        differences.extend(Difference::between(old, new));
                    }
                }
            }
        }
    }

    /// Returns whether the schemas are equal.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// Returns the objects that differ, in the order of their kinds and names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Difference> {
        self.differences.iter()
    }

    /// Leaves out that the columns of a table stand in another order.
    ///
    /// PostgreSQL adds columns at the end and can't move them, so a migration that puts back a dropped column puts it
    /// elsewhere.
    #[must_use]
    pub fn ignoring_order(mut self) -> Self {
        for difference in &mut self.differences {
            if let Difference::Changed { attributes, .. } = difference {
                attributes.retain(|attribute| attribute.name != ORDER);
            }
        }
        self.differences.retain(
            |difference| !matches!(difference, Difference::Changed { attributes, .. } if attributes.is_empty()),
        );
        self
    }
}

impl Difference {
    /// Returns what the object is.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Removed(object) | Self::Added(object) => object.kind(),
            Self::Changed { kind, .. } => *kind,
        }
    }

    /// Returns the object's name, as [`Object::name`] says.
    pub fn name(&self) -> &str {
        match self {
            Self::Removed(object) | Self::Added(object) => object.name(),
            Self::Changed { name, .. } => name,
        }
    }

    /// Nothing if they are equal.
    fn between(old: &Object, new: &Object) -> Option<Self> {
        let change = |name: &str, old: Option<&str>, new: Option<&str>| AttributeChange {
            name: name.to_owned(),
            before: old.map(str::to_owned),
            after: new.map(str::to_owned),
        };
        let gone_or_changed = old.attributes().iter().filter_map(|attribute| {
            let (name, value) = (attribute.name(), attribute.value());
            let now = new.get(name);
            (now != Some(value)).then(|| change(name, Some(value), now))
        });
        let added = new
            .attributes()
            .iter()
            .filter(|attribute| old.get(attribute.name()).is_none())
            .map(|attribute| change(attribute.name(), None, Some(attribute.value())));
        let (before, after) = (order(old, new), order(new, old));
        let moved =
            (before != after).then(|| change(ORDER, Some(&before.join(", ")), Some(&after.join(", "))));
        let attributes: Vec<_> = gone_or_changed.chain(added).chain(moved).collect();
        (!attributes.is_empty()).then(|| Self::Changed {
            kind: old.kind(),
            name: old.name().to_owned(),
            attributes,
        })
    }
}

/// The names of the attributes that both have, in the order of the first.
fn order<'a>(object: &'a Object, other: &Object) -> Vec<&'a str> {
    let others: HashSet<_> = other.attributes().iter().map(Attribute::name).collect();
    object.attributes().iter().map(Attribute::name).filter(|name| others.contains(name)).collect()
}

impl AttributeChange {
    /// Returns the attribute's name, as [`Attribute::name`] says, or `order` where columns stand in another order.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its value in the first schema, if it has it there.
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// Returns its value in the second schema, if it has it there.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
}

impl fmt::Display for SchemaDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.differences.iter().try_for_each(|difference| difference.fmt(f))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed(object) => signed(f, '-', &object.to_string()),
            Self::Added(object) => signed(f, '+', &object.to_string()),
            Self::Changed { kind, name, attributes } => {
                writeln!(f, "  {}", Title(*kind, name))?;
                attributes.iter().try_for_each(|attribute| attribute.fmt(f))
            }
        }
    }
}

impl fmt::Display for AttributeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, old, new) =
            (&self.name, self.before().map(str::trim_end), self.after().map(str::trim_end));
        if let (Some(old), Some(new)) = (old, new)
            && old.lines().count().max(new.lines().count()) > 2
        {
            writeln!(f, "    {name}:")?;
            return lines(f, old, new);
        }
        let told = |value: &str| format!("  {name}: {}", value.replace('\n', "\n    "));
        old.map_or(Ok(()), |old| signed(f, '-', &told(old)))?;
        new.map_or(Ok(()), |new| signed(f, '+', &told(new)))
    }
}

/// The lines with a sign in front.
fn signed(f: &mut fmt::Formatter<'_>, sign: char, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "{sign} {line}"))
}

/// What differs in a long text, with two lines around it.
fn lines(f: &mut fmt::Formatter<'_>, old: &str, new: &str) -> fmt::Result {
    let diff = TextDiff::from_lines(old, new);
    for (number, group) in diff.grouped_ops(2).iter().enumerate() {
        if number > 0 {
            writeln!(f, "      ...")?;
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            writeln!(f, "{sign}     {}", change.value().trim_end())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, &str)]) -> Schema {
        let mut object = Object::new(ObjectKind::Table, "public.a");
        columns.iter().for_each(|(name, value)| object.push(*name, *value));
        Schema::new(vec![object])
    }

    #[test]
    fn what_only_one_has_is_told_whole() {
        let (empty, one) = (Schema::default(), table(&[("column a", "text"), ("comment", "two\nlines")]));
        insta::assert_snapshot!(empty.diff(&one), @r"
        + table public.a
        +   column a: text
        +   comment: two
        +     lines
        ");
        insta::assert_snapshot!(one.diff(&empty), @r"
        - table public.a
        -   column a: text
        -   comment: two
        -     lines
        ");
        assert!(one.diff(&one).is_empty());
        assert_eq!(one.diff(&one).to_string(), "");
    }

    #[test]
    fn attributes_that_come_go_and_change_are_told_in_order() {
        let old = table(&[("column a", "text"), ("column b", "text"), ("column c", "text")]);
        let new = table(&[("column c", "text NOT NULL"), ("column a", "text"), ("column d", "integer")]);
        let diff = old.diff(&new);
        insta::assert_snapshot!(diff, @r"
          table public.a
        -   column b: text
        -   column c: text
        +   column c: text NOT NULL
        +   column d: integer
        -   order: column a, column c
        +   order: column c, column a
        ");
        assert_eq!(diff.ignoring_order().to_string().lines().count(), 5);
    }

    #[test]
    fn another_order_is_a_difference_unless_it_is_to_be_ignored() {
        let (old, new) = (table(&[("a", "1"), ("b", "2")]), table(&[("b", "2"), ("a", "1")]));
        assert_ne!(old, new);
        let diff = old.diff(&new);
        assert_eq!(diff.iter().len(), 1);
        assert!(diff.ignoring_order().is_empty());
    }

    #[test]
    fn of_a_long_text_only_what_differs_is_told() {
        let body = |changed: &str| {
            let lines: Vec<_> =
                (1..=9).map(|n| if n == 5 { changed.to_owned() } else { n.to_string() }).collect();
            table(&[("definition", &lines.join("\n"))])
        };
        insta::assert_snapshot!(body("5").diff(&body("five")), @r"
          table public.a
            definition:
              3
              4
        -     5
        +     five
              6
              7
        ");
    }
}
