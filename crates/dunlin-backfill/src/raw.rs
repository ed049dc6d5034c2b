//! Values on their way between the server and itself, and columns of changes as arrays.

use std::error::Error as StdError;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::job::Changes;

type BoxError = Box<dyn StdError + Sync + Send>;

/// A value of any type that is not NULL, in PostgreSQL's binary form: a part of a key, which is read only to be sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw(Box<[u8]>);

impl Raw {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        Ok(Self(raw.into()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The same for one column of many rows, in one piece.
#[derive(Default)]
pub(crate) struct RawColumn {
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl RawColumn {
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        let before = row.checked_sub(1);
        let start = before.map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start..*self.ends.get(row)?)
    }
}

/// A value that is still where it was received.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a>(pub(crate) &'a [u8]);

impl<'a> FromSql<'a> for Received<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// One column of the changes of some rows, as an array.
pub(crate) struct ChangeArray<'a> {
    pub(crate) changes: &'a dyn Changes,
    pub(crate) rows: &'a [usize],
    pub(crate) column: usize,
}

impl std::fmt::Debug for ChangeArray<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No values.
        f.debug_struct("ChangeArray").field("column", &self.column).finish_non_exhaustive()
    }
}

impl ToSql for ChangeArray<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        let values = self.rows.iter().map(|row| self.changes.value(*row, self.column));
        array(ty, out, values, |value, member, out| match value {
            Some(value) => value.to_sql_checked(member, out),
            None => Ok(IsNull::Yes),
        })
    }

    fn accepts(ty: &Type) -> bool {
        is_array(ty)
    }

    to_sql_checked!();
}

/// One part of the keys of some rows, as an array.
pub(crate) struct RawArray<'a> {
    pub(crate) column: &'a RawColumn,
    pub(crate) rows: &'a [usize],
}

impl std::fmt::Debug for RawArray<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No values.
        f.debug_struct("RawArray").finish_non_exhaustive()
    }
}

impl ToSql for RawArray<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        let values = self.rows.iter().map(|row| self.column.get(*row));
        array(ty, out, values, |value, _, out| match value {
            Some(value) => {
                out.put_slice(value);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        })
    }

    fn accepts(ty: &Type) -> bool {
        is_array(ty)
    }

    to_sql_checked!();
}

fn is_array(ty: &Type) -> bool {
    matches!(ty.kind(), Kind::Array(_))
}

/// Writes an array of one dimension in PostgreSQL's binary form (`array_recv` in its source): the number of dimensions, whether there are
/// NULLs, the type of the members, the length, the lower bound, and each member behind its length.
fn array<T>(
    ty: &Type,
    out: &mut BytesMut,
    values: impl ExactSizeIterator<Item = T>,
    write: impl Fn(T, &Type, &mut BytesMut) -> Result<IsNull, BoxError>,
) -> Result<IsNull, BoxError> {
    let Kind::Array(member) = ty.kind() else { return Err(format!("{ty} is no array").into()) };
    out.put_i32(1);
    let flags = out.len();
    out.put_i32(0);
    out.put_u32(member.oid());
    out.put_i32(i32::try_from(values.len())?);
    out.put_i32(1);
    for value in values {
        let length = out.len();
        out.put_i32(-1);
        match write(value, member, out)? {
            IsNull::Yes => put_at(out, flags, 1),
            IsNull::No => {
                let written = out.len().saturating_sub(length).saturating_sub(4);
                put_at(out, length, i32::try_from(written)?);
            }
        }
    }
    Ok(IsNull::No)
}

/// Rows of changes in the form that `COPY ... (FORMAT binary)` reads: a head, of each row the number of its columns and each value behind its
/// length, and an end. In pieces, which are sent while the next batch is converted.
pub(crate) fn copied(changes: &dyn Changes, rows: usize, types: &[Type]) -> Result<Vec<Bytes>, BoxError> {
    let columns = i16::try_from(types.len())?;
    let mut pieces = Vec::new();
    let mut out = BytesMut::with_capacity(PIECE);
    out.put_slice(b"PGCOPY\n\xff\r\n\0");
    // No flags, and no more of a head.
    out.put_i64(0);
    for row in 0..rows {
        if changes.value(row, 0).is_none() {
            continue;
        }
        out.put_i16(columns);
        for (column, ty) in types.iter().enumerate() {
            let length = out.len();
            out.put_i32(-1);
            let Some(value) = changes.value(row, column) else { continue };
            if let IsNull::No = value.to_sql_checked(ty, &mut out)? {
                let written = out.len().saturating_sub(length).saturating_sub(4);
                put_at(&mut out, length, i32::try_from(written)?);
            }
        }
        if out.len() >= PIECE {
            pieces.push(
                std::mem::replace(&mut out, BytesMut::with_capacity(PIECE.saturating_add(PIECE / 8)))
                    .freeze(),
            );
        }
    }
    out.put_i16(-1);
    pieces.push(out.freeze());
    Ok(pieces)
}

/// About so many bytes are sent at once.
const PIECE: usize = 256 << 10;

fn put_at(out: &mut BytesMut, place: usize, value: i32) {
    if let Some(bytes) = out.get_mut(place..place.saturating_add(4)) {
        bytes.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[Option<i32>]) -> Vec<u8> {
        let mut out = BytesMut::new();
        array(&Type::INT4_ARRAY, &mut out, values.iter(), |value, ty, out| value.to_sql(ty, out)).unwrap();
        out.to_vec()
    }

    #[test]
    fn arrays_are_written_as_the_driver_reads_them() {
        for expected in [vec![], vec![Some(1), None, Some(-7)], vec![Some(5)], vec![None]] {
            let read = Vec::<Option<i32>>::from_sql(&Type::INT4_ARRAY, &values(&expected)).unwrap();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn arrays_are_written_as_the_driver_writes_them() {
        for expected in [vec![Some(1), None, Some(-7)], vec![Some(5)]] {
            let mut out = BytesMut::new();
            expected.to_sql(&Type::INT4_ARRAY, &mut out).unwrap();
            assert_eq!(values(&expected), out.to_vec());
        }
    }
}
