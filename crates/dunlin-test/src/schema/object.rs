use std::fmt;

use crate::schema::kind::ObjectKind;

/// One thing in a [`Schema`](crate::Schema): a kind, a name, and attributes in order.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Object {
    kind: ObjectKind,
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<Attribute>,
}

/// Something that is to be said of an [`Object`], in the server's words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attribute {
    name: String,
    value: String,
}

impl Object {
    pub(crate) fn new(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), attributes: Vec::new() }
    }

    pub(crate) fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.attributes.push(Attribute { name: name.into(), value: value.into() });
    }

    /// Returns the kind.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Returns the name, quoted where SQL needs it: `public.users`, `public.area(double precision)`,
    /// `users_pkey on public.users`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the attributes in order. What is as it is by default is left out.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Returns the value of an attribute, for example of `column email`, or of `definition`.
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.iter().find(|own| own.name == attribute).map(Attribute::value)
    }

    /// What it is found and sorted by.
    pub(crate) fn key(&self) -> (ObjectKind, &str) {
        (self.kind, &self.name)
    }
}

impl Attribute {
    /// Returns the name, for example `column email`, `definition` or `valid`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value, for example `text COLLATE "C" NOT NULL`.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// The title, and below it a line for each attribute.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Title(self.kind, &self.name))?;
        for Attribute { name, value } in &self.attributes {
            let mut lines = value.trim_end().lines();
            writeln!(f, "  {name}: {}", lines.next().unwrap_or_default())?;
            lines.try_for_each(|line| writeln!(f, "    {line}"))?;
        }
        Ok(())
    }
}

/// Kind and name, as people say it.
pub(crate) struct Title<'a>(pub(crate) ObjectKind, pub(crate) &'a str);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(kind, name) = self;
        match kind {
            // Its name says what it is.
            ObjectKind::Other => f.write_str(name),
            _ => write!(f, "{kind} {name}"),
        }
    }
}
