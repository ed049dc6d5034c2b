//! The sections of a goose file.

use crate::layouts::change::DIRECTIVE;

/// The up and the down script of a file, each with the lines of the other one blank.
///
/// `StatementBegin` and `StatementEnd` are comments to everybody else, and stay: dunlin finds the ends of statements by
/// itself.
pub(super) fn sections(text: &str) -> Result<(String, Option<String>), String> {
    let (mut up, mut down) = (String::new(), String::new());
    let mut section = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        let end = line.get(content.len()..).unwrap_or_default();
        match content.strip_prefix("-- +goose").map(str::trim) {
            Some("Up") if section.is_none() => section = Some(Section::Up),
            Some("Down") if section == Some(Section::Up) => section = Some(Section::Down),
            Some("NO TRANSACTION") => {
                for script in [&mut up, &mut down] {
                    script.push_str(DIRECTIVE);
                    script.push_str(end);
                }
                continue;
            }
            Some("StatementBegin" | "StatementEnd") | None => {}
            Some(other) => {
                return Err(format!("`-- +goose {other}` is not understood, or not expected here"));
            }
        }
        let (this, other) = match section {
            Some(Section::Down) => (&mut down, &mut up),
            _ => (&mut up, &mut down),
        };
        this.push_str(line);
        other.push_str(if line.ends_with('\n') { "\n" } else { "" });
    }
    match section {
        None => Err("there is no `-- +goose Up`".to_owned()),
        Some(Section::Up) => Ok((up, None)),
        Some(Section::Down) => Ok((up, Some(down))),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Up,
    Down,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_keep_their_lines() {
        let text = "-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;\n\n-- +goose Down\nSELECT 1;";
        let (up, down) = sections(text).unwrap();
        assert_eq!(up, "-- dunlin: no-transaction\n-- +goose Up\nVACUUM;\n\n\n");
        assert_eq!(down.unwrap(), "-- dunlin: no-transaction\n\n\n\n-- +goose Down\nSELECT 1;");
    }

    #[test]
    fn statements_that_are_marked_stay_whole() {
        let text =
            "-- +goose Up\n-- +goose StatementBegin\nDO $$ BEGIN NULL; END $$;\n-- +goose StatementEnd\n";
        assert_eq!(sections(text), Ok((text.to_owned(), None)));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let error = |text| sections(text).unwrap_err();
        assert_eq!(error("SELECT 1;"), "there is no `-- +goose Up`");
        let unexpected = "is not understood, or not expected here";
        assert_eq!(error("-- +goose Down\n"), format!("`-- +goose Down` {unexpected}"));
        assert_eq!(error("-- +goose Up\n-- +goose Up\n"), format!("`-- +goose Up` {unexpected}"));
        assert_eq!(
            error("-- +goose ENVSUB ON\n-- +goose Up\n"),
            format!("`-- +goose ENVSUB ON` {unexpected}")
        );
    }
}
