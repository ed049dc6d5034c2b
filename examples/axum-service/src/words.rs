/// Counts words: runs of letters and digits, with apostrophes and hyphens inside them.
///
/// Release 2 counts with it what is written, and its migration what was written before: one definition, and so no SQL.
///
/// ```
/// use axum_service::count_words;
///
/// assert_eq!(count_words("Well-known dunlins don't sing – do they?"), 6);
/// assert_eq!(count_words("– – –"), 0);
/// ```
#[must_use]
pub fn count_words(text: &str) -> i32 {
    let is_of_a_word = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
    let pieces = text.split(|c| !is_of_a_word(c));
    let words = pieces.filter(|piece| piece.contains(char::is_alphanumeric)).count();
    i32::try_from(words).unwrap_or(i32::MAX)
}
