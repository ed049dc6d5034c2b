use std::fmt::Write as _;

/// A plain-SQL migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// From 1.
    pub version: i64,
    /// In snake case.
    pub name: String,
    /// Several statements, each ended by a semicolon.
    pub sql: String,
}

impl Script {
    /// The first `count` migrations of a service that does not exist. They are always the same.
    ///
    /// Of five, four create a table with eight columns, a primary key, a check, a foreign key to a table before it and two
    /// indexes; the fifth alters two of the tables before it.
    pub fn first(count: i64) -> Vec<Self> {
        (1..=count)
            .map(|version| match version % 5 {
                0 => Self::alter(version, version - 1, version - 3),
                _ => Self::create(version, Self::table_before(version)),
            })
            .collect()
    }

    /// As many migrations of another service, whose every table is altered once: half as many tables, with three indexes
    /// each.
    pub fn paired(count: i64) -> Vec<Self> {
        let script = |version: i64| match version % 2 {
            1 => Self::create(version, (version > 1).then_some(version - 2)),
            _ => Self::alter(version, version - 1, (version - 3).max(1)),
        };
        (1..=count).map(script).collect()
    }

    /// How many tables the first `count` migrations create.
    pub fn tables(count: i64) -> i64 {
        count - count / 5
    }

    /// The SQL of all, one after another.
    pub fn joined(scripts: &[Self]) -> String {
        scripts.iter().map(|script| script.sql.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn create(version: i64, parent: Option<i64>) -> Self {
        let mut sql = format!(
            "-- Who holds what, and since when.\n\
             CREATE TABLE bird_{version:04} (\n\
             \x20   id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n\
             \x20   ring text NOT NULL,\n\
             \x20   species text NOT NULL DEFAULT 'calidris alpina',\n\
             \x20   wing_mm integer CHECK (wing_mm > 0),\n\
             \x20   weight_g numeric(6, 2),\n\
             \x20   notes jsonb NOT NULL DEFAULT '{{}}',\n\
             \x20   seen_at timestamptz NOT NULL DEFAULT now()"
        );
        if let Some(parent) = parent {
            let _ = write!(sql, ",\n    flock_id bigint REFERENCES bird_{parent:04} (id) ON DELETE CASCADE");
        }
        let _ = write!(
            sql,
            "\n);\n\
             CREATE INDEX bird_{version:04}_ring ON bird_{version:04} (ring);\n\
             CREATE INDEX bird_{version:04}_seen ON bird_{version:04} (species, seen_at DESC);\n"
        );
        Self { version, name: format!("create_bird_{version:04}"), sql }
    }

    fn alter(version: i64, last: i64, other: i64) -> Self {
        let sql = format!(
            "ALTER TABLE bird_{last:04} ADD COLUMN bill_mm integer NOT NULL DEFAULT 0;\n\
             ALTER TABLE bird_{last:04} ADD CONSTRAINT bird_{last:04}_ring_length CHECK (length(ring) <= 12);\n\
             ALTER TABLE bird_{other:04} ALTER COLUMN notes SET DEFAULT '{{\"by\": \"nobody\"}}';\n\
             COMMENT ON COLUMN bird_{last:04}.bill_mm IS 'along the upper edge; it''s 0 where nobody measured';\n"
        );
        Self { version, name: format!("alter_bird_{last:04}"), sql }
    }

    /// The table that the foreign key of a version's table refers to.
    fn table_before(version: i64) -> Option<i64> {
        let before = if (version - 1) % 5 == 0 { version - 2 } else { version - 1 };
        (before > 0).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_runs_begin_like_shorter_ones() {
        assert_eq!(Script::first(10), Script::first(20)[..10]);
        assert_eq!(Script::tables(10), 8);
    }

    #[test]
    fn migrations_refer_to_tables_that_are_there() {
        for scripts in [Script::first(50), Script::paired(50)] {
            refer_to_what_is_there(&scripts);
        }
    }

    fn refer_to_what_is_there(scripts: &[Script]) {
        for script in scripts {
            let before: String = scripts
                .iter()
                .take_while(|other| other.version <= script.version)
                .map(|s| s.sql.as_str())
                .collect();
            for name in script
                .sql
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| word.starts_with("bird_"))
            {
                let table = &name[.."bird_0000".len()];
                assert!(before.contains(&format!("CREATE TABLE {table} ")), "{table} in {script:?}");
            }
        }
    }
}
