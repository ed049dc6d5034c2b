use std::fmt;

/// Writes a table that is readable as it is. These columns hold words and stand to the left, all others hold numbers.
pub(crate) fn markdown<const COLUMNS: usize>(
    f: &mut fmt::Formatter<'_>,
    head: &[&str; COLUMNS],
    rows: &[[String; COLUMNS]],
    words: &[usize],
) -> fmt::Result {
    let head = head.map(str::to_owned);
    let mut widths = [0; COLUMNS];
    for row in std::iter::once(&head).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut line = |cells: &[String; COLUMNS]| {
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if words.contains(&column) {
                write!(f, "| {cell:<width$} ")?
            } else {
                write!(f, "| {cell:>width$} ")?
            }
        }
        f.write_str("|\n")
    };
    line(&head)?;
    let mut rule = widths.map(|width| "-".repeat(width));
    for (column, cell) in rule.iter_mut().enumerate() {
        if !words.contains(&column) {
            cell.pop();
            cell.push(':');
        }
    }
    line(&rule)?;
    rows.iter().try_for_each(line)
}
