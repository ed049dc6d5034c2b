use crate::classify::classify;
use crate::lexer::{Construct, Lexer, Token, TokenKind};
use crate::{Problem, Statement, StatementKind};

/// Cuts a text into its statements, as the server does.
///
/// Nothing is lost: between the ranges of the statements are only white space, comments and `;`. Statements that are empty
/// are left out. Semicolons don't count in strings, dollar quotes, quoted names, comments, parentheses (`CREATE RULE`) and
/// the bodies of `BEGIN ATOMIC` functions.
///
/// # Errors
///
/// A string, a name, a comment, a parenthesis or a `BEGIN ATOMIC` body that never ends.
///
/// # Example
///
/// ```
/// let text = "CREATE TABLE t (a text DEFAULT ';'); -- one;\nSELECT $$;$$";
/// let statements = dunlin_script::split(text)?;
/// assert_eq!(statements.len(), 2);
/// assert_eq!(statements[1].text(text), "SELECT $$;$$");
/// # Ok::<(), dunlin_script::Problem>(())
/// ```
pub fn split(text: &str) -> Result<Vec<Statement>, Problem> {
    match Split::of(text) {
        Split { problem: None, statements, .. } => Ok(statements),
        Split { problem: Some(problem), .. } => Err(problem),
    }
}

/// A text that was cut.
pub(crate) struct Split<'a> {
    /// All tokens, with white space and comments and without the data of `COPY`.
    pub(crate) tokens: Vec<Token<'a>>,
    pub(crate) statements: Vec<Statement>,
    /// Why the last statement never ends.
    pub(crate) problem: Option<Problem>,
}

impl<'a> Split<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        let mut statements = Vec::new();
        let mut current = Current::default();
        while let Some(token) = lexer.next() {
            tokens.push(token);
            if !token.is_significant() {
                continue;
            }
            if token.is_symbol(";") && !current.is_open() {
                let (start, kind) = (current.start(), current.kind());
                let end = match kind {
                    StatementKind::CopyFromStdin => {
                        end_of_data(text, token.end()).inspect(|end| lexer.seek(*end))
                    }
                    _ => None,
                };
                let end = end.unwrap_or_else(|| current.end());
                statements.extend(start.map(|start| Statement::new(start..end, kind)));
                current = Current::default();
                continue;
            }
            let is_meta = token.kind == TokenKind::Meta;
            current.push(token);
            if is_meta {
                statements.extend(
                    current.start().map(|start| Statement::new(start..current.end(), current.kind())),
                );
                current = Current::default();
            }
        }
        let problem = current.problem(text);
        statements.extend(current.start().map(|start| Statement::new(start..current.end(), current.kind())));
        Self { tokens, statements, problem }
    }
}

/// The statement that is being read.
#[derive(Default)]
struct Current<'a> {
    tokens: Vec<Token<'a>>,
    /// Where the parentheses that are open began.
    parentheses: Vec<usize>,
    /// The function body in SQL that is open.
    body: Option<Body>,
}

/// Where `BEGIN ATOMIC` stands.
#[derive(Clone, Copy)]
struct Body {
    begin: usize,
    atomic: usize,
}

impl<'a> Current<'a> {
    fn push(&mut self, token: Token<'a>) {
        match token.kind {
            TokenKind::Symbol if token.text == "(" => self.parentheses.push(token.start),
            TokenKind::Symbol if token.text == ")" => {
                self.parentheses.pop();
            }
            TokenKind::Word if self.parentheses.is_empty() => self.nest(&token),
            _ => {}
        }
        self.tokens.push(token);
    }

    /// Follows the body of a function in SQL, `BEGIN ATOMIC [statement; ...] END`: its end is the `END` that a statement would
    /// begin with. Any other ends a `CASE`, or is a name: `SELECT 1 end` needs no `AS`
    /// (<https://www.postgresql.org/docs/current/sql-createfunction.html>, `sql_body`).
    fn nest(&mut self, token: &Token<'_>) {
        let previous = self.tokens.last();
        match self.body {
            None => {
                let begin = previous.filter(|previous| token.is_word("ATOMIC") && previous.is_word("BEGIN"));
                self.body = begin
                    .filter(|_| self.creates_routine())
                    .map(|begin| Body { begin: begin.start, atomic: token.start });
            }
            Some(Body { atomic, .. }) if token.is_word("END") => {
                if previous.is_some_and(|previous| previous.is_symbol(";") || previous.start == atomic) {
                    self.body = None;
                }
            }
            Some(_) => {}
        }
    }

    fn creates_routine(&self) -> bool {
        let mut words = self.tokens.iter();
        words.next().is_some_and(|first| first.is_word("CREATE"))
            && words
                .find(|word| !(word.is_word("OR") || word.is_word("REPLACE")))
                .is_some_and(|word| word.is_word("FUNCTION") || word.is_word("PROCEDURE"))
    }

    fn is_open(&self) -> bool {
        !(self.parentheses.is_empty() && self.body.is_none())
    }

    fn start(&self) -> Option<usize> {
        self.tokens.first().map(|token| token.start)
    }

    fn end(&self) -> usize {
        self.tokens.last().map_or(0, Token::end)
    }

    fn kind(&self) -> StatementKind {
        classify(&self.tokens)
    }

    /// What is still open at the end of the text.
    fn problem(&self, text: &str) -> Option<Problem> {
        let (offset, message) = match (self.tokens.last(), &*self.parentheses, self.body) {
            (Some(Token { kind: TokenKind::Unterminated(construct), start, .. }), _, _) => {
                (*start, unterminated(*construct))
            }
            (_, [.., parenthesis], _) => (*parenthesis, "`(` is never closed: add the `)`"),
            (_, _, Some(Body { begin, .. })) => (begin, "`BEGIN ATOMIC` never ends: add the `END`"),
            _ => return None,
        };
        Some(Problem::at(text, offset, message))
    }
}

fn unterminated(construct: Construct) -> &'static str {
    match construct {
        Construct::Comment => "the comment never ends: add `*/` (comments nest, each `/*` needs its own)",
        Construct::DollarQuote => "the dollar-quoted string never ends: close it with the tag that opens it",
        Construct::Name => "the quoted name never ends: add the `\"`",
        Construct::String => "the string never ends: add the `'`",
    }
}

/// The end of the data that follows `COPY ... FROM STDIN;`, the line `\.` included.
fn end_of_data(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let alone = |after: &str| after.is_empty() || after.starts_with('\n');
    let mut markers = rest.match_indices("\n\\.").map(|(at, marker)| at.saturating_add(marker.len()));
    let end = markers.find(|end| rest.get(*end..).is_some_and(alone))?;
    Some(from.saturating_add(end))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        split(text).unwrap().iter().map(|statement| statement.text(text)).collect()
    }

    #[test]
    fn semicolons_divide() {
        assert_eq!(pieces("a; b ;;\n-- c;\n /* d; */ e"), ["a", "b", "e"]);
        assert_eq!(pieces(" \n-- nothing\n;;"), Vec::<&str>::new());
        assert_eq!(pieces("a -- b\n;"), ["a"]);
    }

    #[test]
    fn semicolons_in_quotes_do_not() {
        for text in [
            "';' \";\" $$;$$ $a$;$$;$a$ E'\\';' U&';' /* ; /* ; */ ; */ B';'",
            "select $1; ",
            "create rule r as on insert to t do also (insert into u values (1); delete from v;)",
            "do $body$ begin; 'a'; $$ ; $$ end $body$",
        ] {
            assert_eq!(pieces(text), [text.trim_end().trim_end_matches(';')]);
        }
    }

    #[test]
    fn the_body_of_a_function_is_part_of_it() {
        let function = "create or replace function f(begin int) returns int language sql begin atomic\n\
            select case when a then case b when 1 then 2 end else (case when c then 1 end) end as end;\n\
            select t.end, 1 as case from t;\nend";
        assert_eq!(pieces(&format!("{function}; select 1")), [function, "select 1"]);
        let procedure = "CREATE PROCEDURE p() BEGIN ATOMIC END";
        assert_eq!(pieces(&format!("{procedure};select 1;")), [procedure, "select 1"]);
    }

    #[test]
    fn a_column_of_the_body_may_be_called_end_or_case() {
        for body in [
            "select 1 end;",
            "select a case, case when b then 1 end end from t; select t.atomic end;",
            "select 1 case; select 2;",
            "; ;",
        ] {
            let procedure = format!("create procedure p() begin atomic {body} end");
            assert_eq!(pieces(&format!("{procedure}; select 1")), [&*procedure, "select 1"]);
        }
    }

    #[test]
    fn begin_is_a_statement_elsewhere() {
        assert_eq!(pieces("begin; select 1; end; select 2"), ["begin", "select 1", "end", "select 2"]);
        assert_eq!(
            pieces("create function f() returns int return 1; end;"),
            ["create function f() returns int return 1", "end"]
        );
        assert_eq!(pieces("select begin atomic; select 1"), ["select begin atomic", "select 1"]);
    }

    #[test]
    fn the_data_of_copy_is_part_of_it() {
        let copy = "COPY t (a) FROM stdin;\nit's; \\N\n\\\\.\n\\.";
        assert_eq!(pieces(&format!("select 1;\n{copy}\nselect 2;")), ["select 1", copy, "select 2"]);
        let copy = "COPY t FROM STDIN;\n\\. it goes on\n\\.";
        assert_eq!(pieces(copy), [copy]);
        assert_eq!(pieces("COPY t FROM STDIN; select 1"), ["COPY t FROM STDIN", "select 1"]);
    }

    #[test]
    fn psql_commands_end_with_their_line() {
        assert_eq!(
            pieces("\\set x 'it''s;\nselect 1 \\g out.txt;\nselect 2"),
            ["\\set x 'it''s;", "select 1 \\g out.txt;", "select 2"]
        );
    }

    #[test]
    fn what_never_ends_is_said() {
        let texts = [
            "select 1;\n select 'a; select 2",
            "select E'a\\'",
            "select \"a",
            "select $a$ $b$",
            "select 1 /* /* */",
            "select (1;\nselect 2;",
            "create function f() returns int begin atomic select 1; select 2;",
        ];
        let problems: Vec<_> = texts.iter().map(|text| split(text).unwrap_err().to_string()).collect();
        assert_snapshot!(problems.join("\n"), @r#"
        2:9: the string never ends: add the `'`
        1:8: the string never ends: add the `'`
        1:8: the quoted name never ends: add the `"`
        1:8: the dollar-quoted string never ends: close it with the tag that opens it
        1:10: the comment never ends: add `*/` (comments nest, each `/*` needs its own)
        1:8: `(` is never closed: add the `)`
        1:33: `BEGIN ATOMIC` never ends: add the `END`
        "#);
    }
}
