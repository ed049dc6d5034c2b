use std::error::Error;
use std::fmt;

/// The longest name, in characters, that a migration can have.
const LONGEST_NAME: usize = 200;

/// What a file in a migrations folder is called: `<version>_<name><ending>`.
///
/// - The version is any number of digits that fits an `i64`: a counter or a timestamp. Leading zeros don't count, `7` and
///   `0007` are the same version.
/// - The name is 1 to 200 letters and digits (of any script), `_` and `-`.
/// - The ending says what the file is for, see [`Role`].
///
/// # Example
///
/// ```
/// use dunlin_script::{FileName, Role};
///
/// let file = FileName::parse("0007_split_names.down.sql")?.ok_or("not a migration")?;
/// assert_eq!((file.version(), file.name(), file.role()), (7, "split_names", Role::Down));
/// assert_eq!(FileName::parse("README.md")?, None);
/// assert!(FileName::parse("split_names.sql").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileName {
    version: i64,
    name: String,
    role: Role,
}

/// What a migration's file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// `.up.sql`, or `.sql` alone: applies the migration.
    Up,
    /// `.down.sql`: undoes it.
    Down,
    /// `.verify.sql`: checks that it worked.
    Verify,
    /// `.rs`: a migration in Rust, all of it.
    Rust,
}

/// Why a file's name is not that of a migration, though its ending says that it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNameError {
    message: String,
}

impl FileName {
    /// Reads a file's name, without its folder.
    ///
    /// A file that is no migration gives `None`: `mod.rs`, dot files, and whatever doesn't end in `.sql` or `.rs`, as
    /// READMEs and the backups of editors.
    ///
    /// # Errors
    ///
    /// A name that ends in `.sql` or `.rs` and doesn't fit the grammar: to leave such a file out silently would be to not
    /// run a migration that somebody wrote.
    pub fn parse(file_name: &str) -> Result<Option<Self>, FileNameError> {
        if file_name.starts_with('.') || file_name == "mod.rs" {
            return Ok(None);
        }
        let Some((stem, ending)) = file_name.rsplit_once('.') else { return Ok(None) };
        let (stem, role) = match ending {
            "rs" => (stem, Role::Rust),
            "sql" => match stem.rsplit_once('.') {
                None => (stem, Role::Up),
                Some((stem, "up")) => (stem, Role::Up),
                Some((stem, "down")) => (stem, Role::Down),
                Some((stem, "verify")) => (stem, Role::Verify),
                Some((_, other)) => {
                    return Err(FileNameError::new(format!(
                        "`.{other}.sql` is not an ending of migrations: use `.up.sql`, `.down.sql`, `.verify.sql` or `.sql`"
                    )));
                }
            },
            _ if ending.eq_ignore_ascii_case("sql") || ending.eq_ignore_ascii_case("rs") => {
                let lower = ending.to_ascii_lowercase();
                return Err(FileNameError::new(format!("write the ending in lower case: `.{lower}`")));
            }
            _ => return Ok(None),
        };
        let (version, name) = split_stem(stem)?;
        Ok(Some(Self { version, name: name.to_owned(), role }))
    }

    /// The version: what migrations are ordered by.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The name, between the first `_` and the ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the file is for.
    pub fn role(&self) -> Role {
        self.role
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Verify => "verify",
            Self::Rust => "Rust",
        })
    }
}

impl FileNameError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for FileNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for FileNameError {}

fn split_stem(stem: &str) -> Result<(i64, &str), FileNameError> {
    let digits = stem.find(|c: char| !c.is_ascii_digit()).unwrap_or(stem.len());
    let (version, rest) = stem.split_at_checked(digits).unwrap_or((stem, ""));
    if version.is_empty() {
        let advice = match stem.strip_prefix(['V', 'v']).and_then(|stem| stem.split_once("__")) {
            Some((version, name)) => format!("`{version}_{name}`"),
            None => format!("`0001_{stem}`"),
        };
        return Err(FileNameError::new(format!(
            "the name of a migration begins with its version, as in {advice}"
        )));
    }
    let version = version
        .parse()
        .map_err(|_| FileNameError::new(format!("version {version} is too large: it has to fit 64 bits")))?;
    let name = rest.strip_prefix('_').unwrap_or_default();
    if name.is_empty() {
        return Err(FileNameError::new(
            "an underscore and a name follow the version, as in `0001_create_users`",
        ));
    }
    if let Some(wrong) = name.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-'))) {
        return Err(FileNameError::new(format!(
            "{wrong:?} can't be in the name of a migration: use letters, digits, `_` and `-`"
        )));
    }
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Err(FileNameError::new(format!(
            "the name has {length} characters: {LONGEST_NAME} is the most that a migration's name can have"
        )));
    }
    Ok((version, name))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn parsed(file_name: &str) -> (i64, String, Role) {
        let file = FileName::parse(file_name).unwrap().unwrap();
        (file.version, file.name, file.role)
    }

    #[test]
    fn the_ending_gives_the_role() {
        assert_eq!(parsed("0007_a.up.sql"), (7, "a".into(), Role::Up));
        assert_eq!(parsed("0007_a.sql"), (7, "a".into(), Role::Up));
        assert_eq!(parsed("7_a.down.sql"), (7, "a".into(), Role::Down));
        assert_eq!(
            parsed("20260131120000_a-b_c.verify.sql"),
            (20_260_131_120_000, "a-b_c".into(), Role::Verify)
        );
        assert_eq!(parsed("0_größe.rs"), (0, "größe".into(), Role::Rust));
        assert_eq!(parsed("9223372036854775807_a.sql").0, i64::MAX);
    }

    #[test]
    fn other_files_are_no_migrations() {
        for file in [
            "README.md",
            ".gitkeep",
            "mod.rs",
            "0001_a.sql~",
            "#0001_a.sql#",
            ".#0001_a.sql",
            "0001_a.sql.orig",
            "a",
            "",
        ] {
            assert_eq!(FileName::parse(file), Ok(None), "{file}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_name_is_said() {
        let names = [
            "schema.sql",
            "V1__users.sql",
            "-1_a.sql",
            "0001.sql",
            "0001-a.sql",
            "0001_.up.sql",
            "0001_a b.sql",
            "0001_a'.sql",
            "0001_a.b.up.sql",
            "0001_a.undo.sql",
            "0001_a.up.rs",
            "0001_a.SQL",
            "99999999999999999999_a.sql",
        ];
        let long = format!("1_{}.sql", "a".repeat(201));
        let text: Vec<_> = names
            .into_iter()
            .chain([long.as_str()])
            .map(|name| format!("{}: {}", name.get(..20).unwrap_or(name), FileName::parse(name).unwrap_err()))
            .collect();
        assert_snapshot!(text.join("\n"), @r#"
        schema.sql: the name of a migration begins with its version, as in `0001_schema`
        V1__users.sql: the name of a migration begins with its version, as in `1_users`
        -1_a.sql: the name of a migration begins with its version, as in `0001_-1_a`
        0001.sql: an underscore and a name follow the version, as in `0001_create_users`
        0001-a.sql: an underscore and a name follow the version, as in `0001_create_users`
        0001_.up.sql: an underscore and a name follow the version, as in `0001_create_users`
        0001_a b.sql: ' ' can't be in the name of a migration: use letters, digits, `_` and `-`
        0001_a'.sql: '\'' can't be in the name of a migration: use letters, digits, `_` and `-`
        0001_a.b.up.sql: '.' can't be in the name of a migration: use letters, digits, `_` and `-`
        0001_a.undo.sql: `.undo.sql` is not an ending of migrations: use `.up.sql`, `.down.sql`, `.verify.sql` or `.sql`
        0001_a.up.rs: '.' can't be in the name of a migration: use letters, digits, `_` and `-`
        0001_a.SQL: write the ending in lower case: `.sql`
        99999999999999999999: version 99999999999999999999 is too large: it has to fit 64 bits
        1_aaaaaaaaaaaaaaaaaa: the name has 201 characters: 200 is the most that a migration's name can have
        "#);
    }

    proptest! {
        #[test]
        fn a_name_that_is_put_together_is_taken_apart(
            version in 0i64..,
            width in 0usize..24,
            name in "[a-zA-Z0-9_äж-]{1,40}",
            role in 0usize..5,
        ) {
            let (ending, role) = [
                (".up.sql", Role::Up),
                (".sql", Role::Up),
                (".down.sql", Role::Down),
                (".verify.sql", Role::Verify),
                (".rs", Role::Rust),
            ][role];
            prop_assert_eq!(parsed(&format!("{version:0width$}_{name}{ending}")), (version, name, role));
        }

        #[test]
        fn no_name_is_left_out_silently(stem in "[a-zA-Z0-9_-][a-z0-9_. -]{0,12}", ending in "sql|rs|SQL|Rs") {
            let name = format!("{stem}.{ending}");
            prop_assume!(name != "mod.rs");
            prop_assert!(!matches!(FileName::parse(&name), Ok(None)));
        }
    }
}
