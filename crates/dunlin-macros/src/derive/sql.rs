use dunlin_script::split;
use syn::LitStr;

/// Whether something may stand inside of a statement that is made around it. `usage` says what it should be.
pub(super) fn check(written: &LitStr, usage: &str) -> syn::Result<()> {
    let text = written.value();
    complaint(&text, usage).map_or(Ok(()), |message| Err(syn::Error::new(written.span(), message)))
}

fn complaint(text: &str, usage: &str) -> Option<String> {
    if text.contains('\0') {
        return Some("SQL has no NUL: remove it".into());
    }
    let statements = match split(text) {
        Ok(statements) => statements,
        Err(problem) => return Some(problem.message().to_owned()),
    };
    let end = match statements.as_slice() {
        [] => return Some(usage.to_owned()),
        [statement] => statement.range().end,
        [_, ..] => {
            return Some(
                "a `;` would end the statement that this stands in: remove it, and what comes behind it"
                    .into(),
            );
        }
    };
    // A comment up to the end of the line would go on into the statement.
    if text.get(end..).is_some_and(|rest| !rest.trim().is_empty()) {
        return Some("the statement goes on behind this: remove the `;` or the comment at the end".into());
    }
    // What closes a parenthesis that is not its own, closes this one.
    if split(&format!("({text}")).is_ok() {
        return Some("the parenthesis was never opened: remove the `)`".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) -> bool {
        complaint(text, "usage").is_none()
    }

    #[test]
    fn an_expression_is_accepted() {
        assert!(accepts("lower(email)"));
        assert!(accepts(" (SELECT count(*) FROM orders WHERE orders.person = people.id) "));
        assert!(accepts("a -- the first\n + b"));
        assert!(accepts("';' || $$ ) $$ || \"a;b\""));
        assert!(accepts("numeric(10, 2)[]"));
    }

    #[test]
    fn what_would_reach_out_of_its_place_is_refused() {
        let complaint = |text| complaint(text, "usage").unwrap();
        insta::assert_snapshot!(complaint(" -- nothing"), @"usage");
        insta::assert_snapshot!(complaint("lower(email"), @"`(` is never closed: add the `)`");
        insta::assert_snapshot!(complaint("lower(email))"), @"the parenthesis was never opened: remove the `)`");
        insta::assert_snapshot!(complaint("a) + (b"), @"`(` is never closed: add the `)`");
        insta::assert_snapshot!(complaint("'a"), @"the string never ends: add the `'`");
        insta::assert_snapshot!(complaint("a; DROP TABLE b"), @"a `;` would end the statement that this stands in: remove it, and what comes behind it");
        insta::assert_snapshot!(complaint("a;"), @"the statement goes on behind this: remove the `;` or the comment at the end");
        insta::assert_snapshot!(complaint("a -- b"), @"the statement goes on behind this: remove the `;` or the comment at the end");
        insta::assert_snapshot!(complaint("a\0"), @"SQL has no NUL: remove it");
    }
}
