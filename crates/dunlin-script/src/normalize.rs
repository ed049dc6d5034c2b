use std::borrow::Cow;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Gives the text that is sent to the server and hashed: without a byte order mark, and with LF at the end of lines.
///
/// CR LF becomes LF inside literals too: whether a checkout on Windows or on Linux was built must not change what a
/// migration does. A CR without an LF is left alone, no tool adds one by itself. Normalising twice changes nothing more,
/// and a text that needs no change is borrowed.
///
/// # Example
///
/// ```
/// assert_eq!(dunlin_script::normalize("\u{feff}SELECT\r\n1;\r\n"), "SELECT\n1;\n");
/// ```
pub fn normalize(text: &str) -> Cow<'_, str> {
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    if !text.contains("\r\n") {
        return Cow::Borrowed(text);
    }
    let mut normal = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.strip_suffix("\r\n") {
            // `\r\r\n` is what converting twice leaves behind.
            Some(line) => {
                normal.push_str(line.trim_end_matches('\r'));
                normal.push('\n');
            }
            None => normal.push_str(line),
        }
    }
    Cow::Owned(normal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_needs_no_change_is_borrowed() {
        assert!(matches!(normalize("SELECT 1;\n"), Cow::Borrowed(_)));
        assert!(matches!(normalize("\u{feff}SELECT 1;\n"), Cow::Borrowed("SELECT 1;\n")));
    }

    #[test]
    fn a_carriage_return_inside_a_line_is_data() {
        assert_eq!(normalize("SELECT 'a\rb';\r\n\r\r\n"), "SELECT 'a\rb';\n\n");
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "[\u{feff}\r\na]{0,12}") {
            let once = normalize(&text);
            prop_assert_eq!(normalize(&once), once.as_ref());
        }
    }
}
