//! What a pass goes along: the key, or the places of the rows in the file.

use crate::key::Key;
use crate::raw::Raw;
use crate::shape::{KeyPart, Shape};

/// The columns by which a pass finds its next rows, and its own place again.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    table: String,
    parts: Vec<KeyPart>,
    /// Rows on a page, where it goes along the places.
    density: Option<usize>,
}

/// Which bounds a page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    pub(crate) lower: bool,
    pub(crate) upper: bool,
}

impl Track {
    /// Along the key.
    pub(crate) fn key(shape: &Shape) -> Self {
        Self { table: shape.table.clone(), parts: shape.key.clone(), density: None }
    }

    /// Along the places: from page to page, each of which is read once. Rows of one key after the other would each be on
    /// another page.
    pub(crate) fn places(shape: &Shape) -> Self {
        let part = KeyPart { name: "ctid".to_owned(), ty: "pg_catalog.tid".to_owned() };
        let density = Some(shape.rows_on_a_page.max(1));
        Self { table: shape.table.clone(), parts: vec![part], density }
    }

    pub(crate) fn is_places(&self) -> bool {
        self.density.is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(crate) fn parts(&self) -> &[KeyPart] {
        &self.parts
    }

    pub(crate) fn list(&self) -> String {
        self.parts.iter().map(|part| format!("{}.{}", self.table, part.name)).collect::<Vec<_>>().join(", ")
    }

    /// Where a span ends that has about so many rows and comes after `lower`, if that can be said without asking: at the end of a page, or
    /// within one where so few rows are wanted. Nothing if `upper` comes first.
    pub(crate) fn reckon(
        &self,
        lower: Option<&Key>,
        upper: Option<&Key>,
        rows: usize,
    ) -> Option<Option<Key>> {
        let density = self.density?;
        let (page, row) = match lower.and_then(place_of) {
            Some((page, row)) if row >= MOST_ROWS => (page.saturating_add(1), 0),
            Some(place) => place,
            None => (0, 0),
        };
        let end = match rows.checked_div(density).and_then(|pages| u32::try_from(pages).ok()) {
            Some(0) => (page, u16::try_from(rows).unwrap_or(LAST).saturating_add(row)),
            pages => (page.saturating_add(pages.unwrap_or(u32::MAX).saturating_sub(1)), LAST),
        };
        let end = if end.1 >= MOST_ROWS { (end.0, LAST) } else { end };
        let is_within = upper.and_then(place_of).is_none_or(|last| end < last);
        Some(is_within.then(|| place(end)))
    }

    /// The key of the row that comes after so many. Parameters: the key that they come after, the last one, how many.
    pub(crate) fn boundary(&self, bounds: Bounds) -> String {
        let (within, next) = self.within(bounds);
        let keys = self.list();
        format!("SELECT {keys} FROM {} WHERE {within}true ORDER BY {keys} OFFSET ${next} LIMIT 1", self.table)
    }

    /// The last key of the table.
    pub(crate) fn last(&self) -> String {
        if self.is_places() {
            // A table without pages has none.
            return format!(
                "SELECT pg_catalog.format('(%s,{LAST})', pages OPERATOR(pg_catalog.-) 1)::pg_catalog.tid FROM (SELECT \
                 pg_catalog.pg_relation_size('{}'::pg_catalog.regclass) OPERATOR(pg_catalog./) \
                 pg_catalog.current_setting('block_size')::pg_catalog.int8 AS pages) AS s WHERE pages OPERATOR(pg_catalog.>) 0",
                self.table.replace('\'', "''")
            );
        }
        let descending = self.parts.iter().map(|part| format!("{}.{} DESC", self.table, part.name));
        let descending = descending.collect::<Vec<_>>().join(", ");
        format!("SELECT {} FROM {} ORDER BY {descending} LIMIT 1", self.list(), self.table)
    }

    /// A key that was written down as texts, in this column, as values: NULL where it is NULL.
    pub(crate) fn read(&self, column: &str) -> String {
        let part = |(index, part): (usize, &KeyPart)| {
            format!("({column})[{}]::{}", index.saturating_add(1), part.ty)
        };
        self.parts.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
    }

    /// The same the other way: parameters from this number on, as an array of texts.
    pub(crate) fn write(&self, first: usize) -> String {
        let part = |(index, part): (usize, &KeyPart)| {
            format!("(${}::{})::pg_catalog.text", first.saturating_add(index), part.ty)
        };
        format!("ARRAY[{}]", self.parts.iter().enumerate().map(part).collect::<Vec<_>>().join(", "))
    }

    /// The conditions, each followed by AND, and the number of the next parameter.
    pub(crate) fn within(&self, bounds: Bounds) -> (String, usize) {
        let mut next = 1_usize;
        let mut sql = String::new();
        for (is_there, operator) in [(bounds.lower, ">"), (bounds.upper, "<=")] {
            if is_there {
                let numbers: Vec<_> =
                    (0..self.len()).map(|part| format!("${}", next.saturating_add(part))).collect();
                next = next.saturating_add(numbers.len());
                sql.push_str(&format!("({}) {operator} ({}) AND ", self.list(), numbers.join(", ")));
            }
        }
        (sql, next)
    }
}

/// Behind all rows of a page.
const LAST: u16 = u16::MAX;

/// A page of PostgreSQL's usual size has fewer rows than these (`MaxOffsetNumber` in its source).
const MOST_ROWS: u16 = 2_048;

/// A place in PostgreSQL's binary form (`tidsend` in its source): the page, then the row on it.
fn place((page, row): (u32, u16)) -> Key {
    let bytes = [&page.to_be_bytes()[..], &row.to_be_bytes()[..]].concat();
    Key(vec![Raw::new(&bytes)])
}

fn place_of(place: &Key) -> Option<(u32, u16)> {
    let (page, row) = place.0.first()?.bytes().split_first_chunk()?;
    Some((u32::from_be_bytes(*page), u16::from_be_bytes(*row.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(density: Option<usize>) -> Track {
        let part = KeyPart { name: "ctid".to_owned(), ty: "tid".to_owned() };
        Track { table: "t".to_owned(), parts: vec![part], density }
    }

    #[test]
    fn places_are_reckoned_from_page_to_page() {
        let places = track(Some(40));
        let end = |lower: Option<(u32, u16)>, upper: Option<u32>, rows| {
            let (lower, upper) = (lower.map(place), upper.map(|page| place((page, LAST))));
            places.reckon(lower.as_ref(), upper.as_ref(), rows).unwrap().as_ref().and_then(place_of)
        };
        assert_eq!(end(None, None, 400), Some((9, LAST)), "ten pages from the first on");
        assert_eq!(end(Some((9, LAST)), Some(100), 400), Some((19, LAST)));
        assert_eq!(end(Some((9, LAST)), Some(19), 400), None, "they are the last");
        assert_eq!(end(Some((9, LAST)), Some(20), 400), Some((19, LAST)));
        assert_eq!(end(Some((9, LAST)), Some(100), 1), Some((10, 1)), "within a page");
        assert_eq!(end(Some((10, 1)), Some(100), 2), Some((10, 3)));
        assert_eq!(end(Some((10, 3)), Some(100), 80), Some((11, LAST)), "what is left of it, and the next");
        assert_eq!(
            end(Some((10, MOST_ROWS - 1)), Some(100), 1),
            Some((10, LAST)),
            "no row has such a number"
        );
        assert_eq!(end(Some((u32::MAX, LAST)), None, usize::MAX), Some((u32::MAX, LAST)));
        assert!(track(None).reckon(None, None, 400).is_none(), "keys have to be asked for");
    }
}
