//! What is in a database, apart from dunlin's own tables.

use std::{path::PathBuf, process::Command};

use dunlin_test::{Database, Server};
use tokio_postgres::SimpleQueryMessage;

use crate::corpora::corpus::Expected;

/// The schema of a database, told in two ways.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Schema {
    /// A line for each thing, from the catalogs.
    catalog: Vec<String>,
    /// The lines of `pg_dump -s`, where there is a `pg_dump`.
    dump: Option<Vec<String>>,
}

impl Schema {
    pub(super) async fn of(database: &Database) -> Self {
        Self { catalog: lines(database, CATALOG).await, dump: dump(database, &[]).await }
    }

    #[track_caller]
    pub(super) fn assert_is(&self, other: &Self) {
        assert_same_lines(&self.catalog, &other.catalog);
        if let (Some(this), Some(other)) = (&self.dump, &other.dump) {
            assert_same_lines(this, other);
        }
        assert_eq!(self, other);
    }

    /// Compares the database, of which this is the schema, with what plain `psql` on PostgreSQL 15 gives.
    pub(super) async fn assert_is_as_expected(&self, database: &Database, expected: &Expected) {
        let counts: Vec<i64> =
            lines(database, COUNTS).await.iter().map(|count| count.parse().unwrap()).collect();
        assert_eq!(counts, expected.counts, "tables, indexes, functions, views, triggers, types, rows");
        let pg_dump = PgDump::find(database.server());
        let (15, Some(15)) = (database.server().version_num() / 10_000, pg_dump.map(|found| found.major))
        else {
            println!(
                "not compared with the fingerprints in expected.tsv: they need a server and a pg_dump of version 15"
            );
            return;
        };
        let without_owner = dump(database, &["--no-owner", "--no-privileges"]).await.unwrap();
        assert_eq!(sha256(database, &without_owner).await, expected.sha256_without_owner);
        if database.config().get_user() == Some("postgres") {
            assert_eq!(sha256(database, self.dump.as_deref().unwrap()).await, expected.sha256);
        }
    }
}

/// A `pg_dump` that can read the server.
pub(crate) struct PgDump {
    pub(crate) program: PathBuf,
    major: u32,
}

impl PgDump {
    pub(crate) fn find(server: &Server) -> Option<Self> {
        let program = server.bin_dir().map_or_else(|| "pg_dump".into(), |bin| bin.join("pg_dump"));
        let said = Command::new(&program).arg("--version").output().ok()?;
        let said = String::from_utf8(said.stdout).ok()?;
        let major = said.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())?;
        // An older one refuses a newer server.
        (major >= server.version_num() / 10_000).then_some(Self { program, major })
    }
}

/// The lines that the fingerprints are made of.
async fn dump(database: &Database, options: &[&str]) -> Option<Vec<String>> {
    let Some(PgDump { program, .. }) = PgDump::find(database.server()) else {
        println!("compared without pg_dump: none for {}", database.server());
        return None;
    };
    let mut command = Command::new(program);
    command.args(["-s", "--lock-wait-timeout=10s", "-T", "public.dunlin_history*", "-d", &database.url()]);
    command.args(options);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let noise = |line: &str| ["--", "\\restrict", "\\unrestrict"].iter().any(|start| line.starts_with(start));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().filter(|line| !noise(line)).map(str::to_owned).collect())
}

/// The server hashes: it is there anyway.
async fn sha256(database: &Database, lines: &[String]) -> String {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let client = database.connect().await.unwrap();
    let row = client.query_one("SELECT encode(sha256($1), 'hex')", &[&text.as_bytes()]).await.unwrap();
    row.get(0)
}

async fn lines(database: &Database, sql: &str) -> Vec<String> {
    let messages = database.connect().await.unwrap().simple_query(sql).await.unwrap();
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().to_owned()),
        _ => None,
    };
    messages.iter().filter_map(line).collect()
}

#[track_caller]
fn assert_same_lines(this: &[String], other: &[String]) {
    let at =
        this.iter().zip(other).position(|(this, other)| this != other).unwrap_or(this.len().min(other.len()));
    let around =
        |lines: &[String]| lines.iter().skip(at.saturating_sub(3)).take(8).cloned().collect::<Vec<_>>();
    assert!(this == other, "line {}:\n{:#?}\nis not\n{:#?}", at + 1, around(this), around(other));
}

/// A line for each thing, sorted. `relation` are those outside the system's schemas, without dunlin's own.
const CATALOG: &str = "
SET search_path = pg_catalog;
WITH space AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'),
relation AS (
    SELECT c.*, format('%I.%I', n.nspname, c.relname) AS called FROM pg_class AS c JOIN space AS n ON n.oid = c.relnamespace
    WHERE c.relname NOT LIKE 'dunlin\\_history%'
)
SELECT line FROM (
    SELECT format('schema %I', nspname) FROM space WHERE nspname <> 'public'
    UNION ALL SELECT format('extension %I', extname) FROM pg_extension WHERE extname <> 'plpgsql'
    UNION ALL SELECT format('relation %s kind %s persistence %s owner %s acl %s options %s replica identity %s security %s %s comment %s',
        called, relkind, relpersistence, relowner::regrole, relacl, reloptions, relreplident, relrowsecurity,
        relforcerowsecurity, obj_description(oid, 'pg_class')) FROM relation
    UNION ALL SELECT format('column %s.%I number %s type %s collation %s not null %s identity %s generated %s default %s comment %s',
        r.called, a.attname, rank() OVER (PARTITION BY r.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
        nullif(a.attcollation, 0)::regcollation, a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid),
        col_description(r.oid, a.attnum))
        FROM relation AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = a.attnum WHERE r.relkind <> 'i'
    UNION ALL SELECT format('index %s valid %s replica identity %s', pg_get_indexdef(i.indexrelid), i.indisvalid AND i.indisready,
        i.indisreplident) FROM pg_index AS i JOIN relation AS r ON r.oid = i.indexrelid
    UNION ALL SELECT format('constraint %I on %s: %s validated %s', c.conname, r.called, pg_get_constraintdef(c.oid), c.convalidated)
        FROM pg_constraint AS c JOIN relation AS r ON r.oid = c.conrelid
    UNION ALL SELECT format('sequence %s type %s from %s by %s range %s %s cache %s cycle %s of %s', r.called, s.seqtypid::regtype,
        s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
        (SELECT format('%s.%I', o.called, a.attname) FROM pg_depend AS d JOIN relation AS o ON o.oid = d.refobjid
         JOIN pg_attribute AS a ON a.attrelid = o.oid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.deptype IN ('a', 'i')))
        FROM pg_sequence AS s JOIN relation AS r ON r.oid = s.seqrelid
    UNION ALL SELECT format('view %s: %s', called, pg_get_viewdef(oid)) FROM relation WHERE relkind IN ('v', 'm')
    UNION ALL SELECT format('rule %s', pg_get_ruledef(w.oid)) FROM pg_rewrite AS w JOIN relation AS r ON r.oid = w.ev_class
        WHERE w.rulename <> '_RETURN'
    UNION ALL SELECT format('trigger %s enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
        FROM pg_trigger AS t JOIN relation AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL SELECT format('function %s owner %s', pg_get_functiondef(p.oid), p.proowner::regrole)
        FROM pg_proc AS p JOIN space AS n ON n.oid = p.pronamespace WHERE p.prokind <> 'a'
    UNION ALL SELECT format('type %s kind %s owner %s of %s', t.oid::regtype, t.typtype, t.typowner::regrole,
        (SELECT array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid))
        FROM pg_type AS t JOIN space AS n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r')
) AS everything (line) ORDER BY line";

/// What `expected.tsv` counts, in its order.
const COUNTS: &str = "
WITH relation AS (
    SELECT c.* FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'dunlin\\_history%'
)
SELECT count(*) FROM relation WHERE relkind IN ('r', 'p')
UNION ALL SELECT count(*) FROM relation WHERE relkind IN ('i', 'I')
UNION ALL SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT count(*) FROM relation WHERE relkind IN ('v', 'm')
UNION ALL SELECT count(*) FROM pg_trigger AS t JOIN relation AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL SELECT count(*) FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r')
UNION ALL SELECT coalesce(sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM public.%I', relname),
    false, true, '')))[1]::text::bigint), 0) FROM relation WHERE relkind = 'r'";
