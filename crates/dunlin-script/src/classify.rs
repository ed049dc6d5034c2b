use crate::lexer::{Token, TokenKind};
use crate::name::identifier;
use crate::{ConcurrentIndex, IndexCommand, QualifiedName, StatementKind};

/// Says what a statement is, from its tokens without comments, white space and the `;`.
pub(crate) fn classify(tokens: &[Token<'_>]) -> StatementKind {
    use StatementKind::{ConcurrentIndex, OutsideTransaction, TransactionControl};

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
        "DROP" => drop_index(words).map(ConcurrentIndex),
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
    let concurrently = words.eat("CONCURRENTLY") || is_on(options, "CONCURRENTLY");
    let (index, table) = match target.as_str() {
        _ if !concurrently => (None, None),
        "INDEX" => (words.qualified_name(), None),
        "TABLE" => (None, words.qualified_name()),
        _ => (None, None),
    };
    match (concurrently, target.as_str()) {
        (true, _) => {
            let command = IndexCommand::Reindex;
            Some(StatementKind::ConcurrentIndex(ConcurrentIndex { command, index, table }))
        }
        (false, "SCHEMA") => Some(StatementKind::OutsideTransaction("REINDEX SCHEMA")),
        (false, "DATABASE") => Some(StatementKind::OutsideTransaction("REINDEX DATABASE")),
        (false, "SYSTEM") => Some(StatementKind::OutsideTransaction("REINDEX SYSTEM")),
        (false, _) => None,
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
    let unique = words.eat("UNIQUE");
    if !(words.eat("INDEX") && words.eat("CONCURRENTLY")) {
        return None;
    }
    let if_not_exists = words.eat("IF") && words.eat("NOT") && words.eat("EXISTS");
    let index = match words.peek_is("ON") {
        true => None,
        false => words.qualified_name(),
    };
    let _ = words.eat("ON") && words.eat("ONLY");
    let table = words.qualified_name();
    let command = IndexCommand::Create { unique, if_not_exists };
    Some(StatementKind::ConcurrentIndex(ConcurrentIndex { command, index, table }))
}

fn drop_index(mut words: Words<'_, '_>) -> Option<ConcurrentIndex> {
    if !(words.eat("INDEX") && words.eat("CONCURRENTLY")) {
        return None;
    }
    let if_exists = words.eat("IF") && words.eat("EXISTS");
    let index = words.qualified_name();
    Some(ConcurrentIndex { command: IndexCommand::Drop { if_exists }, index, table: None })
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
        "TABLE" => {
            words.tokens = words.after("DETACH");
            words.eat("PARTITION");
            words.qualified_name();
            match words.eat("CONCURRENTLY") {
                true => found("DETACH PARTITION CONCURRENTLY"),
                false => None,
            }
        }
        _ => None,
    }
}

/// The tokens of a statement that haven't been looked at.
struct Words<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'t, 'a> Words<'t, 'a> {
    fn next(&mut self) -> Option<&'t Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn next_word(&mut self) -> Option<String> {
        let token = self.next()?;
        (token.kind == TokenKind::Word).then(|| token.text.to_ascii_uppercase())
    }

    fn peek_is(&self, word: &str) -> bool {
        self.tokens.first().is_some_and(|token| token.is_word(word))
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.peek_is(word);
        if found {
            self.next();
        }
        found
    }

    /// Takes `a`, `a.b` or `a.b.c`, of which the last two parts count.
    fn qualified_name(&mut self) -> Option<QualifiedName> {
        let mut schema = None;
        let mut name = identifier(self.tokens.first()?)?;
        self.next();
        while let [dot, part, ..] = self.tokens {
            if !dot.is_symbol(".") {
                break;
            }
            schema = Some(std::mem::replace(&mut name, identifier(part)?));
            self.next();
            self.next();
        }
        Some(QualifiedName::new(schema, name))
    }

    /// Takes a list in parentheses.
    fn options(&mut self) -> &'t [Token<'a>] {
        if !self.tokens.first().is_some_and(|token| token.is_symbol("(")) {
            return &[];
        }
        let end = self.tokens.iter().position(|token| token.is_symbol(")")).unwrap_or(self.tokens.len());
        let options = self.tokens.get(1..end).unwrap_or_default();
        self.tokens = self.tokens.get(end.saturating_add(1)..).unwrap_or_default();
        options
    }

    /// What follows the first `word`.
    fn after(&self, word: &str) -> &'t [Token<'a>] {
        let at = self.tokens.iter().position(|token| token.is_word(word)).unwrap_or(self.tokens.len());
        self.tokens.get(at.saturating_add(1)..).unwrap_or_default()
    }

    fn outside_parentheses(&self) -> Vec<&'t Token<'a>> {
        let mut depth = 0_usize;
        let mut outside = Vec::new();
        for token in self.tokens {
            match token.text {
                "(" => depth = depth.saturating_add(1),
                ")" => depth = depth.saturating_sub(1),
                _ if depth == 0 => outside.push(token),
                _ => {}
            }
        }
        outside
    }
}

/// Whether the option is among those of a list, and not switched off there.
fn is_on(options: &[Token<'_>], option: &str) -> bool {
    options.iter().any(|token| token.is_word(option)) && !is_off(options, option)
}

fn is_off(options: &[Token<'_>], option: &str) -> bool {
    let Some(at) = options.iter().position(|token| token.is_word(option)) else { return false };
    let value = options.iter().skip(at.saturating_add(1)).find(|token| !token.is_symbol("="));
    value.is_some_and(|value| {
        let value = value.text.trim_matches('\'');
        ["false", "off", "no", "0"].iter().any(|off| value.eq_ignore_ascii_case(off))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split;

    fn kind(text: &str) -> StatementKind {
        let statements = split(text).unwrap();
        assert_eq!(statements.len(), 1, "{text}");
        statements[0].kind().clone()
    }

    #[track_caller]
    fn concurrent(text: &str) -> (IndexCommand, Option<String>, Option<String>) {
        match kind(text) {
            StatementKind::ConcurrentIndex(index) => (
                index.command(),
                index.index().map(ToString::to_string),
                index.table().map(ToString::to_string),
            ),
            other => panic!("{text}: {other:?}"),
        }
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
            ("alter table if exists a.t detach partition a.p concurrently", "DETACH PARTITION CONCURRENTLY"),
        ] {
            assert_eq!(kind(text), StatementKind::OutsideTransaction(what), "{text}");
        }
    }

    #[test]
    fn concurrent_index_statements_name_their_index() {
        let create = |unique, if_not_exists| IndexCommand::Create { unique, if_not_exists };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            concurrent("CREATE INDEX CONCURRENTLY Users_Name ON ONLY app.\"Users\" USING btree (name)"),
            (create(false, false), some("\"users_name\""), some("\"app\".\"Users\""))
        );
        assert_eq!(
            concurrent("create unique index concurrently if not exists i on t (a)"),
            (create(true, true), some("\"i\""), some("\"t\""))
        );
        assert_eq!(
            concurrent("create index concurrently on t (a)"),
            (create(false, false), None, some("\"t\""))
        );
        assert_eq!(
            concurrent("drop index concurrently if exists app.\"We\"\"ird\" cascade"),
            (IndexCommand::Drop { if_exists: true }, some("\"app\".\"We\"\"ird\""), None)
        );
        assert_eq!(
            concurrent("reindex index concurrently a.i"),
            (IndexCommand::Reindex, some("\"a\".\"i\""), None)
        );
        assert_eq!(
            concurrent("reindex (concurrently) table t"),
            (IndexCommand::Reindex, None, some("\"t\""))
        );
        assert_eq!(
            concurrent("reindex (concurrently true, verbose) schema s"),
            (IndexCommand::Reindex, None, None)
        );
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
