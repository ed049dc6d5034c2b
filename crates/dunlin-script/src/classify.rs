use crate::lexer::{Token, TokenKind};
use crate::words::{Words, is_off, is_on};
use crate::{Concurrent, CreateIndex, ReindexTarget, StatementKind};

/// Says what a statement is, from its tokens without comments, white space and the `;`.
pub(crate) fn classify(tokens: &[Token<'_>]) -> StatementKind {
    use StatementKind::{OutsideTransaction, TransactionControl};

    if tokens.iter().any(|token| token.kind == TokenKind::Meta) {
        return StatementKind::PsqlMeta;
    }
    let mut words = Words { tokens };
    let Some(first) = words.next_word() else { return StatementKind::Plain };
    let kind = match first.as_str() {
        "BEGIN" => Some(TransactionControl("BEGIN")),
        "START" => words.eat("TRANSACTION").then_some(TransactionControl("START TRANSACTION")),
        "COMMIT" if words.eat("PREPARED") => Some(TransactionControl("COMMIT PREPARED")),
        "COMMIT" => Some(TransactionControl("COMMIT")),
        "END" => Some(TransactionControl("END")),
        "ABORT" => Some(TransactionControl("ABORT")),
        "ROLLBACK" => rollback(words),
        "PREPARE" => words.eat("TRANSACTION").then_some(TransactionControl("PREPARE TRANSACTION")),
        "VACUUM" => Some(OutsideTransaction("VACUUM")),
        "CLUSTER" => cluster(words),
        "REINDEX" => reindex(words),
        "DISCARD" => words.eat("ALL").then_some(OutsideTransaction("DISCARD ALL")),
        "COPY" => copy(words),
        "SET" => {
            let of_transaction = ["LOCAL", "TRANSACTION", "CONSTRAINTS"].iter().any(|word| words.eat(word));
            (!of_transaction).then_some(StatementKind::Setting)
        }
        "RESET" => Some(StatementKind::Setting),
        "CREATE" => create(words),
        "ALTER" => alter(words),
        "DROP" if words.eat("DATABASE") => Some(OutsideTransaction("DROP DATABASE")),
        "DROP" if words.eat("TABLESPACE") => Some(OutsideTransaction("DROP TABLESPACE")),
        "DROP" => drop_index(words).map(StatementKind::Concurrent),
        _ => None,
    };
    kind.unwrap_or(StatementKind::Plain)
}

fn rollback(mut words: Words<'_, '_>) -> Option<StatementKind> {
    if words.eat("PREPARED") {
        return Some(StatementKind::TransactionControl("ROLLBACK PREPARED"));
    }
    let _ = words.eat("WORK") || words.eat("TRANSACTION");
    // ROLLBACK TO SAVEPOINT goes back inside the transaction.
    (!words.eat("TO")).then_some(StatementKind::TransactionControl("ROLLBACK"))
}

fn cluster(mut words: Words<'_, '_>) -> Option<StatementKind> {
    words.options();
    words.eat("VERBOSE");
    words.tokens.is_empty().then_some(StatementKind::OutsideTransaction("CLUSTER without a table"))
}

fn reindex(mut words: Words<'_, '_>) -> Option<StatementKind> {
    let options = words.options();
    let target = words.next_word()?;
    if words.eat("CONCURRENTLY") || is_on(options, "CONCURRENTLY") {
        let target = match target.as_str() {
            "INDEX" => words.qualified_name().map(ReindexTarget::Index),
            "TABLE" => words.qualified_name().map(ReindexTarget::Table),
            "SCHEMA" => words.qualified_name().map(|schema| ReindexTarget::Schema(schema.name().to_owned())),
            _ => Some(ReindexTarget::Database),
        };
        let unreadable = Concurrent::Unreadable("REINDEX CONCURRENTLY");
        return Some(StatementKind::Concurrent(target.map_or(unreadable, Concurrent::Reindex)));
    }
    match target.as_str() {
        "SCHEMA" => Some(StatementKind::OutsideTransaction("REINDEX SCHEMA")),
        "DATABASE" => Some(StatementKind::OutsideTransaction("REINDEX DATABASE")),
        "SYSTEM" => Some(StatementKind::OutsideTransaction("REINDEX SYSTEM")),
        _ => None,
    }
}

fn copy(words: Words<'_, '_>) -> Option<StatementKind> {
    let outside = words.outside_parentheses();
    let stream = |way: &str| {
        outside.iter().zip(outside.iter().skip(1)).any(|(first, second)| {
            first.is_word(way) && (second.is_word("STDIN") || second.is_word("STDOUT"))
        })
    };
    // The grammar takes either word in both directions.
    match (stream("FROM"), stream("TO")) {
        (true, _) => Some(StatementKind::CopyFromStdin),
        (_, true) => Some(StatementKind::CopyToStdout),
        _ => None,
    }
}

fn create(mut words: Words<'_, '_>) -> Option<StatementKind> {
    if words.eat("DATABASE") {
        return Some(StatementKind::OutsideTransaction("CREATE DATABASE"));
    }
    if words.eat("TABLESPACE") {
        return Some(StatementKind::OutsideTransaction("CREATE TABLESPACE"));
    }
    if words.eat("SUBSCRIPTION") {
        let options = words.after("WITH");
        let connects = !(is_off(options, "create_slot") || is_off(options, "connect"));
        return connects.then_some(StatementKind::OutsideTransaction("CREATE SUBSCRIPTION"));
    }
    create_index(words).map(StatementKind::Concurrent)
}

fn create_index(mut words: Words<'_, '_>) -> Option<Concurrent> {
    let unique = words.eat("UNIQUE");
    if !words.eat("INDEX") {
        return None;
    }
    let concurrently = words.place(|words| words.eat("CONCURRENTLY").then_some(()))?.1;
    let if_not_exists = words.eat_all(&["IF", "NOT", "EXISTS"]);
    let read = |words: &mut Words<'_, '_>| {
        let index = match words.peek_is("ON") {
            true => None,
            false => Some(words.qualified_name()?),
        };
        words.eat("ON");
        words.eat("ONLY");
        let (table, name) = words.place(Words::qualified_name)?;
        let places = [concurrently, name];
        Some(CreateIndex { unique, if_not_exists, index, table, places })
    };
    let unreadable = Concurrent::Unreadable("CREATE INDEX CONCURRENTLY");
    Some(read(&mut words).map_or(unreadable, Concurrent::CreateIndex))
}

fn drop_index(mut words: Words<'_, '_>) -> Option<Concurrent> {
    if !words.eat_all(&["INDEX", "CONCURRENTLY"]) {
        return None;
    }
    words.eat_all(&["IF", "EXISTS"]);
    let unreadable = Concurrent::Unreadable("DROP INDEX CONCURRENTLY");
    Some(words.qualified_name().map_or(unreadable, Concurrent::DropIndex))
}

fn detach_partition(mut words: Words<'_, '_>) -> Option<Concurrent> {
    let detaches = |pair: &[Token<'_>]| match pair {
        [first, second] => first.is_word("DETACH") && second.is_word("PARTITION"),
        _ => false,
    };
    let is_concurrent = words.tokens.last().is_some_and(|last| last.is_word("CONCURRENTLY"));
    if !(is_concurrent && words.tokens.windows(2).any(detaches)) {
        return None;
    }
    let mut read = || {
        words.eat_all(&["IF", "EXISTS"]);
        words.eat("ONLY");
        let parent = words.qualified_name()?;
        words.eat_symbol("*");
        if !words.eat_all(&["DETACH", "PARTITION"]) {
            return None;
        }
        let partition = words.qualified_name()?;
        words.eat("CONCURRENTLY").then_some(Concurrent::DetachPartition { parent, partition })
    };
    Some(read().unwrap_or(Concurrent::Unreadable("DETACH PARTITION CONCURRENTLY")))
}

fn alter(mut words: Words<'_, '_>) -> Option<StatementKind> {
    let found = |what| Some(StatementKind::OutsideTransaction(what));
    match words.next_word()?.as_str() {
        "SYSTEM" => found("ALTER SYSTEM"),
        "DATABASE" => {
            words.qualified_name();
            match words.eat("SET") && words.eat("TABLESPACE") {
                true => found("ALTER DATABASE ... SET TABLESPACE"),
                false => None,
            }
        }
        "SUBSCRIPTION" => {
            words.qualified_name();
            let refreshes = words.eat("REFRESH")
                || (words.eat("SET") || words.eat("ADD") || words.eat("DROP"))
                    && words.eat("PUBLICATION")
                    && !is_off(words.after("WITH"), "refresh");
            match refreshes {
                true => found("ALTER SUBSCRIPTION with a refresh"),
                false => None,
            }
        }
        "TABLE" => detach_partition(words).map(StatementKind::Concurrent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{QualifiedName, split};

    fn kind(text: &str) -> StatementKind {
        let statements = split(text).unwrap();
        assert_eq!(statements.len(), 1, "{text}");
        statements[0].kind().clone()
    }

    #[track_caller]
    fn concurrent(text: &str) -> Concurrent {
        match kind(text) {
            StatementKind::Concurrent(concurrent) => concurrent,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn name(schema: &str, name: &str) -> QualifiedName {
        QualifiedName::new((!schema.is_empty()).then(|| schema.to_owned()), name.to_owned())
    }

    #[test]
    fn transaction_control_is_known() {
        for (text, what) in [
            ("begin", "BEGIN"),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
            ("start transaction read only", "START TRANSACTION"),
            ("commit and chain", "COMMIT"),
            ("END work", "END"),
            ("rollback", "ROLLBACK"),
            ("ROLLBACK WORK", "ROLLBACK"),
            ("abort", "ABORT"),
            ("prepare transaction 'x'", "PREPARE TRANSACTION"),
            ("commit prepared 'x'", "COMMIT PREPARED"),
            ("/* a */ rollback -- b\n prepared 'x'", "ROLLBACK PREPARED"),
        ] {
            assert_eq!(kind(text), StatementKind::TransactionControl(what), "{text}");
        }
    }

    #[test]
    fn what_sets_the_session_is_known_from_what_sets_a_transaction() {
        for text in
            ["SET work_mem = '1MB'", "set session role x", "set session authorization default", "reset all"]
        {
            assert_eq!(kind(text), StatementKind::Setting, "{text}");
        }
        for text in
            ["SET LOCAL work_mem = '1MB'", "set transaction read only", "SET CONSTRAINTS ALL DEFERRED"]
        {
            assert_eq!(kind(text), StatementKind::Plain, "{text}");
        }
    }

    #[test]
    fn what_only_looks_special_is_plain() {
        for text in [
            "savepoint a",
            "rollback to a",
            "ROLLBACK WORK TO SAVEPOINT a",
            "release a",
            "prepare p as select 1",
            "create table commit (a int)",
            "\"commit\"",
            "cluster t using i",
            "cluster verbose t",
            "reindex table t",
            "reindex (verbose) index i",
            "reindex (concurrently off) index i",
            "alter database d rename to e",
            "alter database d set work_mem = '1MB'",
            "drop index a, b",
            "create index i on t (concurrently)",
            "create subscription s connection '' publication p with (create_slot = false)",
            "alter subscription s disable",
            "alter subscription s set publication p with (refresh = false)",
            "alter table t detach partition p",
            "alter table t detach partition p finalize",
            "copy t from '/tmp/file'",
            "copy (select 1 from stdin) to '/tmp/file'",
            "discard plans",
            "analyze t",
            "do $$ begin commit; end $$",
        ] {
            assert_eq!(kind(text), StatementKind::Plain, "{text}");
        }
    }

    #[test]
    fn what_the_server_refuses_in_a_transaction_is_known() {
        for (text, what) in [
            ("vacuum (analyze) t", "VACUUM"),
            ("cluster", "CLUSTER without a table"),
            ("cluster (verbose)", "CLUSTER without a table"),
            ("reindex schema s", "REINDEX SCHEMA"),
            ("reindex (verbose) database d", "REINDEX DATABASE"),
            ("reindex system d", "REINDEX SYSTEM"),
            ("discard all", "DISCARD ALL"),
            ("create database d", "CREATE DATABASE"),
            ("drop database if exists d", "DROP DATABASE"),
            ("create tablespace t location '/x'", "CREATE TABLESPACE"),
            ("drop tablespace t", "DROP TABLESPACE"),
            ("alter system set work_mem = '1MB'", "ALTER SYSTEM"),
            ("alter database d set tablespace t", "ALTER DATABASE ... SET TABLESPACE"),
            ("create subscription s connection '' publication p", "CREATE SUBSCRIPTION"),
            ("alter subscription s refresh publication", "ALTER SUBSCRIPTION with a refresh"),
            ("alter subscription s add publication p", "ALTER SUBSCRIPTION with a refresh"),
        ] {
            assert_eq!(kind(text), StatementKind::OutsideTransaction(what), "{text}");
        }
    }

    #[test]
    fn a_concurrent_build_names_its_index_and_its_table() {
        for (text, index, table, unique, if_not_exists, elsewhere) in [
            (
                "CREATE INDEX CONCURRENTLY Users_Name ON ONLY app.\"Users\" USING btree (name)",
                Some(name("", "users_name")),
                name("app", "Users"),
                false,
                false,
                "CREATE INDEX  Users_Name ON ONLY x USING btree (name)",
            ),
            (
                "/* a */ create unique index /* b */ concurrently if not exists i on t/* c */(a) where t.b = 't'",
                Some(name("", "i")),
                name("", "t"),
                true,
                true,
                "create unique index /* b */  if not exists i on x/* c */(a) where t.b = 't'",
            ),
            (
                "create index concurrently on d . s . t(a)",
                None,
                name("s", "t"),
                false,
                false,
                "create index  on x(a)",
            ),
        ] {
            // Places are those of the whole text.
            let script = format!("SELECT 'é';\n{text};");
            let statement = split(&script).unwrap().remove(1);
            let StatementKind::Concurrent(Concurrent::CreateIndex(create)) = statement.kind() else {
                panic!("{text}");
            };
            assert_eq!((create.index(), create.table()), (index.as_ref(), &table), "{text}");
            assert_eq!((create.is_unique(), create.if_not_exists()), (unique, if_not_exists), "{text}");
            assert_eq!(create.on_table("x", &script, statement.range()), elsewhere);
        }
    }

    #[test]
    fn concurrent_statements_name_what_they_work_on() {
        use Concurrent::{DropIndex, Reindex};

        let index = "drop index concurrently if exists app.\"We\"\"ird\" cascade";
        assert_eq!(concurrent(index), DropIndex(name("app", "We\"ird")));
        assert_eq!(concurrent("drop index concurrently if"), DropIndex(name("", "if")));
        for (text, target) in [
            ("reindex index concurrently a.i", ReindexTarget::Index(name("a", "i"))),
            ("reindex (concurrently) table t", ReindexTarget::Table(name("", "t"))),
            ("reindex (concurrently true, verbose) schema S", ReindexTarget::Schema("s".to_owned())),
            ("reindex database concurrently d", ReindexTarget::Database),
            ("reindex (tablespace t, concurrently on) database", ReindexTarget::Database),
        ] {
            assert_eq!(concurrent(text), Reindex(target), "{text}");
        }
        for (text, parent, partition) in [
            ("alter table if exists a.t detach partition b.p concurrently", name("a", "t"), name("b", "p")),
            ("ALTER TABLE only t * DETACH PARTITION \"P\" CONCURRENTLY", name("", "t"), name("", "P")),
            ("alter table detach detach partition p concurrently", name("", "detach"), name("", "p")),
        ] {
            assert_eq!(concurrent(text), Concurrent::DetachPartition { parent, partition }, "{text}");
        }
    }

    #[test]
    fn a_concurrent_statement_whose_names_can_not_be_read_is_known_as_that() {
        for (text, command) in [
            ("create index concurrently U&\"i\" on t (a)", "CREATE INDEX CONCURRENTLY"),
            ("create index concurrently i on U&\"t\" (a)", "CREATE INDEX CONCURRENTLY"),
            ("drop index concurrently U&\"i\"", "DROP INDEX CONCURRENTLY"),
            ("reindex table concurrently U&\"t\"", "REINDEX CONCURRENTLY"),
            ("alter table t detach partition U&\"p\" concurrently", "DETACH PARTITION CONCURRENTLY"),
        ] {
            assert_eq!(concurrent(text), Concurrent::Unreadable(command), "{text}");
        }
    }

    #[test]
    fn streams_and_psql_commands_are_known() {
        assert_eq!(kind("COPY public.t (a, b) FROM stdin;\n1\t2\n\\.\n"), StatementKind::CopyFromStdin);
        assert_eq!(kind("copy t from stdin with (format csv)"), StatementKind::CopyFromStdin);
        assert_eq!(kind("copy (select 1) to stdout"), StatementKind::CopyToStdout);
        assert_eq!(kind("\\connect other"), StatementKind::PsqlMeta);
        assert_eq!(kind("select 1 \\gexec"), StatementKind::PsqlMeta);
    }
}
