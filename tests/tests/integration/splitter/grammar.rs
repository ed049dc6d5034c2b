//! Random scripts that a server takes: statements with nasty tokens, and nasty gaps between the tokens.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A script, and how many statements were written into it.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) text: String,
    pub(super) statements: usize,
}

/// The tokens of a part of a statement.
type Tokens = Vec<String>;

/// Stands between two tokens in the constants below.
const BORDER: char = '·';

const GAPS: [&str; 16] = [
    "",
    " ",
    "\n",
    "\r\n",
    "\t \u{c}",
    " \r ",
    " -- ;\n",
    "--;'\"\n",
    "-- $$ (\r\n",
    "--;\r",
    "/**/",
    "/* ; */",
    "/* /* ; */ ' */",
    "/*/* $$ *//*;*/*/",
    " /*--*/ ",
    "\n/*\n; begin atomic (\n*/\n",
];

/// Expressions of any type.
const EXPRESSIONS: [&str; 58] = [
    "'a;b'",
    "'it''s;'",
    r"'\'",
    "'--;'",
    "'/*;'",
    "''",
    r"E'\';'",
    r"E'a\\'",
    r"e'\\\'; --'",
    r"E'\u00e9;'",
    "N'n;'",
    r"U&'d\0061t;'",
    "U&'!0061;'·UESCAPE·'!'",
    r"u&'\\'",
    "B'01'",
    "x'1F'",
    "'a'\n'b;'",
    "'a' -- ';\n  ';'\n'c'",
    "E'a'\n'\\';'",
    "E'a'--\n'b'\r'\\\\'",
    "$$;$$",
    "$$a;'$ $1 $b$$",
    "$t$ $$;$$ ' $t$",
    "$T$ ; $t$ $T$",
    "$_1é$ ;/* $_1é$",
    "$$--$$",
    "1",
    "1.5",
    ".5",
    "1.",
    "1e-10",
    "-·1",
    "-·-·1",
    "+·-·.5",
    "@·-·1",
    "1·-·1",
    "2·*·3",
    "2·*·-·3",
    "4·/·2",
    "1·<>·-·1",
    "1·<=·2",
    "2·=·+·2",
    "5·%·3",
    "1·#·2",
    "'a'·||·'b;'",
    "'a'·!~*·'b;'",
    "1·::·int",
    "'1'·::·int·::·text",
    "cast·(·'2;'·as·text·)",
    "date·'2001-02-03'",
    "array·[·1·,·2·]",
    "(·array·[·1·,·2·,·3·]·)·[·1·:·2·]",
    "(·array·[·[·1·]·]·)·[·-·1·:·+·1·]·[·1·]",
    "'{\"a;\":1}'·::·jsonb·->>·'a;'",
    "'{}'·::·jsonb·?|·array·[·'a;'·]",
    "'{}'·::·jsonb·@>·'{}'",
    "make_interval·(·days·=>·-·1·)",
    "pg_catalog·.·\"length\"·(·';'·)",
];

/// Expressions around others.
const AROUND: [(&str, &str); 8] = [
    ("(", ")"),
    ("(·(", ")·)·::·text"),
    ("case·when·true·then", "end"),
    ("case·1·when·1·then", "else·null·end"),
    ("(·select", ")"),
    ("coalesce·(", ")"),
    ("row·(·1·,", ")"),
    ("(", ")·is·not·null"),
];

/// What a column of a `SELECT` may be called.
const LABELS: [&str; 22] = [
    "",
    "",
    "",
    "AS·x",
    "AS·\"x;y\"",
    "AS·\"a\"\"b;\"",
    r#"AS·U&"d\0061t;""#,
    "AS·U&\"d!0061t;\"·UESCAPE·'!'",
    "AS·größe",
    "AS·名前",
    "AS·a$1",
    "AS·_$$",
    "AS·\"$$;--\"",
    // Letters to PostgreSQL.
    "AS·a\u{a0}b",
    "AS·\u{3000}\u{2028}",
    "AS·\u{feff}",
    "AS·begin",
    "AS·atomic",
    "AS·case",
    "AS·end",
    "\"(\"",
    "é",
];

/// Words that are labels without an `AS` as well.
const BARE: [&str; 4] = ["end", "case", "atomic", "begin"];

/// Statements that need no expression.
const STATEMENTS: [&str; 30] = [
    "SELECT",
    "TABLE·t",
    "select·begin·atomic·from·(·values·(·1·)·)·as·t·(·begin·)",
    "select·t·.·end·from·(·select·1·as·end·)·as·t",
    "WITH·w·AS·(·SELECT·';'·)·SELECT·*·FROM·w",
    "EXPLAIN·(·COSTS·off·)·SELECT·1",
    "COMMENT·ON·TABLE·t·IS·'it''s;'",
    r"COMMENT·ON·TABLE·t·IS·E'\';'",
    "COMMENT·ON·COLUMN·t·.·a·IS·$$;$$",
    "SET·LOCAL·application_name·=·'a;b'",
    "SET·LOCAL·search_path·TO·public·,·\"x;\"",
    "NOTIFY·\"x;\"·,·'y;'",
    "SAVEPOINT·\"s;\"",
    "LOCK·TABLE·t",
    "CREATE·TABLE·IF·NOT·EXISTS·\"t;1\"·(·\"a;\"·text·DEFAULT·';'·,·b·int·CHECK·(·b·>·-·1·)·)",
    "CREATE·OR·REPLACE·VIEW·\"v;\"·AS·SELECT·a·AS·\"a;\"·FROM·t",
    "ALTER·TABLE·t·ALTER·a·SET·DEFAULT·$d$;$d$",
    "CREATE·INDEX·ON·t·(·(·a·||·';'·)·)",
    "GRANT·SELECT·ON·t·TO·CURRENT_USER",
    "DO·$$begin perform ';'; end$$",
    "DO·LANGUAGE·plpgsql·$do$ begin perform $$;$$; /* $d$ */ end $do$",
    "DO·'begin perform ''a;''; end'·LANGUAGE·plpgsql",
    r"DO·E'begin\nperform \'a;\'; end'",
    "DO·$_é1$ declare x text := 'it''s;'; begin if true then x := $$;$$; end if; end $_é1$",
    "CREATE·OR·REPLACE·FUNCTION·f_text·(·)·RETURNS·int·LANGUAGE·sql·AS·'SELECT 1; SELECT 2'",
    "CREATE·OR·REPLACE·FUNCTION·f_dollar·(·int·)·RETURNS·int·AS·$f$ begin return $1; end; $f$·LANGUAGE·plpgsql",
    "CREATE·OR·REPLACE·FUNCTION·\"f;\"·(·begin·int·DEFAULT·-·1·)·RETURNS·int·LANGUAGE·sql·RETURN·case·when·true·then·1·end",
    "CREATE·OR·REPLACE·FUNCTION·begin·(·atomic·int·)·RETURNS·int·RETURN·(·select·atomic·begin·)",
    "CREATE·OR·REPLACE·PROCEDURE·p_empty·(·)·BEGIN·ATOMIC·END",
    "CREATE·OR·REPLACE·PROCEDURE·p_emptier·(·)·BEGIN·ATOMIC·;·;·END",
];

/// What stands before the body of a function in SQL.
const ROUTINES: [&str; 6] = [
    "CREATE·OR·REPLACE·PROCEDURE·p·(·)·BEGIN·ATOMIC",
    "create·or·replace·procedure·\"p;(\"·(·begin·int·,·\"end;\"·text·DEFAULT·';'·)·begin·atomic",
    "CREATE·OR·REPLACE·PROCEDURE·U&\"p\\0061;\"·(·)·LANGUAGE·sql·BEGIN·ATOMIC",
    "CREATE·OR·REPLACE·FUNCTION·fünf·(·)·RETURNS·void·LANGUAGE·sql·BEGIN·ATOMIC",
    "CREATE·OR·REPLACE·FUNCTION·atomic·(·)·RETURNS·void·VOLATILE·BEGIN·ATOMIC",
    "CREATE·OR·REPLACE·PROCEDURE·end_case·(·)·SET·search_path·TO·begin·,·atomic·BEGIN·ATOMIC",
];

const RULES: [&str; 3] = [
    "CREATE·OR·REPLACE·RULE·r·AS·ON·INSERT·TO·t·DO·ALSO·(",
    "CREATE·OR·REPLACE·RULE·\"r;(\"·AS·ON·UPDATE·TO·t·DO·ALSO·(",
    "create·or·replace·rule·case_end·as·on·delete·to·t·do·instead·(",
];

const ACTIONS: [&str; 5] = [
    "",
    "DELETE·FROM·u",
    "NOTIFY·\"x;\"",
    "UPDATE·u·SET·a·=·';'·WHERE·a·=·$$;$$",
    "INSERT·INTO·u·SELECT·case·when·true·then·';'·end",
];

/// A script of up to twelve statements.
pub(super) fn script() -> impl Strategy<Value = Script> {
    let between = vec(prop_oneof![3 => gap().boxed(), 1 => Just(";".to_owned()).boxed()], 0..4);
    let statement = (between, statement(), vec(select(&GAPS[..]), 1..60), gap());
    (vec(statement, 0..12), gap(), any::<bool>(), gap()).prop_map(|(statements, before, ended, after)| {
        let count = statements.len();
        let mut text = before;
        for (number, (between, statement, gaps, gap)) in statements.into_iter().enumerate() {
            if number > 0 {
                text.push(';');
            }
            text.extend(between);
            text.push_str(&written(&statement, &gaps));
            text.push_str(&gap);
        }
        if ended && count > 0 {
            text.push(';');
        }
        text.push_str(&after);
        Script { text, statements: count }
    })
}

fn gap() -> impl Strategy<Value = String> {
    select(&GAPS[..]).prop_map(str::to_owned)
}

/// Writes tokens down with gaps between them, over and over the same, and with a space where two tokens would become
/// something else.
fn written(tokens: &[String], gaps: &[&str]) -> String {
    let mut text = String::new();
    let mut left = None;
    for (token, gap) in tokens.iter().zip(gaps.iter().cycle()) {
        if let Some(left) = left.replace(token) {
            if gap.is_empty() && merge(left, token) || gap.starts_with("--") && left.ends_with('-') {
                text.push(' ');
            }
            text.push_str(gap);
        }
        text.push_str(token);
    }
    text
}

/// Whether two tokens would become something else if nothing were between them.
fn merge(left: &str, right: &str) -> bool {
    let starts = |token: &str, like: fn(char) -> bool| token.chars().next().is_some_and(like);
    let wordy = |c: char| c.is_alphanumeric() || c == '_' || !c.is_ascii();
    let operator = |c: char| "~!@#^&|`?+-*/%<>=:".contains(c);
    if starts(right, operator) {
        // No operator of these characters ends in `-`.
        left.ends_with(operator) && !(left.ends_with(['=', '<', '>', '*', '/']) && right == "-")
    } else if right.starts_with(['\'', '"']) {
        // `E'` begins a string, `END'` ends a word.
        ["e", "b", "x", "n"].iter().any(|prefix| left.eq_ignore_ascii_case(prefix))
            || left.ends_with(['\'', '"'])
    } else {
        starts(left, |c| c.is_alphanumeric() || "_.".contains(c) || !c.is_ascii())
            && (starts(right, wordy) || right.starts_with(['$', '.']))
    }
}

fn tokens(text: &str) -> Tokens {
    text.split(BORDER).filter(|token| !token.is_empty()).map(str::to_owned).collect()
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Tokens> {
    select(texts).prop_map(tokens)
}

fn expression() -> impl Strategy<Value = Tokens> {
    one_of(&EXPRESSIONS).prop_recursive(3, 4, 1, |inner| {
        (select(&AROUND[..]), inner)
            .prop_map(|((before, after), inner)| [tokens(before), inner, tokens(after)].concat())
    })
}

fn column() -> impl Strategy<Value = Tokens> {
    let labelled =
        (expression(), one_of(&LABELS)).prop_map(|(expression, label)| [expression, label].concat());
    // A label without AS may not follow an operator's operand that it could belong to.
    let bare = (expression(), one_of(&BARE))
        .prop_map(|(expression, label)| [tokens("("), expression, tokens(")"), label].concat());
    prop_oneof![3 => labelled, 1 => bare]
}

fn query() -> impl Strategy<Value = Tokens> {
    vec(column(), 1..4).prop_map(|columns| [tokens("select"), columns.join(&",".to_owned())].concat())
}

/// A query, or another statement that the body of a function in SQL can hold.
fn simple() -> impl Strategy<Value = Tokens> {
    let insert = expression().prop_map(|value| {
        [tokens("INSERT·INTO·t·(·a·)·VALUES·(·(·("), value, tokens(")·)·::·text·)")].concat()
    });
    let update = expression().prop_map(|value| {
        [tokens("UPDATE·t·SET·a·=·(·("), value, tokens(")·)·::·text·WHERE·a·=·';'")].concat()
    });
    prop_oneof![4 => query(), 1 => insert, 1 => update, 1 => Just(tokens("DELETE·FROM·t·WHERE·a·=·'end;'"))]
}

fn statement() -> impl Strategy<Value = Tokens> {
    let end = || Just(Tokens::new());
    let body = vec(prop_oneof![4 => simple().boxed(), 1 => end().boxed()], 1..4);
    let routine = (one_of(&ROUTINES), body).prop_map(|(create, body)| {
        let statements = body.into_iter().flat_map(|statement| [statement, tokens(";")].concat());
        [create, statements.collect(), tokens("END")].concat()
    });
    let rule = (one_of(&RULES), vec(one_of(&ACTIONS), 1..4))
        .prop_map(|(create, actions)| [create, actions.join(&";".to_owned()), tokens(")")].concat());
    prop_oneof![3 => simple(), 3 => one_of(&STATEMENTS), 3 => routine, 1 => rule]
}
