//! Connection strings as texts, for people and other programs.

/// Puts a setting of `search_path` into a connection string.
pub(crate) fn with_search_path(url: &str, schema: &str) -> String {
    let Some(Parts { front, path, query }) = Parts::of(url) else {
        return format!("{url} options='-c search_path={schema},public'");
    };
    let query = query.map_or_else(String::new, |query| format!("{query}&"));
    format!("{front}{path}?{query}options=-c%20search_path%3D{schema}%2Cpublic")
}

/// Puts another database into a connection string: the path of a URL, or `dbname` of keywords and values (the last
/// one counts).
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let Some(Parts { front, query, .. }) = Parts::of(url) else { return format!("{url} dbname={database}") };
    // One among the parameters would count more than the path.
    let others: Vec<&str> = query.map_or_else(Vec::new, |query| {
        query.split('&').filter(|parameter| !parameter.starts_with("dbname=")).collect()
    });
    let query = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    format!("{front}/{database}{query}")
}

/// A text as one word of a shell.
pub(crate) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A URL in parts. The password may hold what separates the others: it ends at the first `@`.
struct Parts<'a> {
    /// Up to the hosts.
    front: &'a str,
    /// With the slash.
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// `None` of keywords and values.
    fn of(url: &'a str) -> Option<Self> {
        let scheme = url.find("://")? + "://".len();
        if !url.starts_with("postgres") {
            return None;
        }
        let credentials = url.get(scheme..)?.find('@').map_or(scheme, |at| scheme + at + 1);
        let rest = url.get(credentials..)?;
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let hosts = credentials + rest.find('/').unwrap_or(rest.len());
        let (front, path) = (url.get(..hosts)?, url.get(hosts..credentials + rest.len())?);
        Some(Self { front, path, query })
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::Config;

    use super::*;

    #[test]
    fn another_database_takes_the_place_of_the_one_in_the_string() {
        let cases = [
            (
                "postgres://me:secret@here:5433/one?sslmode=disable",
                "postgres://me:secret@here:5433/two?sslmode=disable",
            ),
            ("postgresql://here", "postgresql://here/two"),
            ("postgres:///one?host=/run/postgresql", "postgres:///two?host=/run/postgresql"),
            ("postgres:///?host=/run&dbname=one&user=me", "postgres:///two?host=/run&user=me"),
            ("postgres://here/one?dbname=three", "postgres://here/two"),
            ("postgres://me:a?b/c@here/one", "postgres://me:a?b/c@here/two"),
            ("host=/tmp user=me dbname=one", "host=/tmp user=me dbname=one dbname=two"),
            ("host=/tmp password=a://b", "host=/tmp password=a://b dbname=two"),
        ];
        for (url, wanted) in cases {
            let changed = with_database(url, "two");
            assert_eq!(changed, wanted);
            assert_eq!(changed.parse::<Config>().unwrap().get_dbname(), Some("two"), "{changed}");
        }
    }

    #[test]
    fn a_schema_is_put_into_the_string_as_an_option() {
        for url in [
            "postgres://me@here/one",
            "postgres://me@here/one?sslmode=disable",
            "postgres://me:a?b@here/one",
            "host=/tmp dbname=one",
        ] {
            let changed = with_search_path(url, "mine");
            let options = changed.parse::<Config>().unwrap().get_options().map(str::to_owned);
            assert_eq!(options.as_deref(), Some("-c search_path=mine,public"), "{changed}");
        }
    }

    #[test]
    fn a_word_of_a_shell_stays_one_whatever_is_in_it() {
        assert_eq!(shell_word("options='-c x'"), r"'options='\''-c x'\'''");
    }
}
