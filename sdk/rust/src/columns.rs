//! Columns of text or bytes: one field of all records in and out, the fastest way to change a few fields, for nothing else crosses.
//!
//! ```ignore
//! let names = batch.strings("value.name")?;
//! let mut upper = PackedWriter::new(names.len());
//! for name in names.iter() {
//!     match name {
//!         Some(name) => upper.push(&name.to_ascii_uppercase()),
//!         None => upper.null(),
//!     }
//! }
//! Ok(Outcome::set([upper.column("value.name")]))
//! ```

use crate::batch::{Column, ColumnData, ColumnStyle, Packed};
use crate::{Batch, Error, Outcome, Patch};

/// Text or bytes of all records; a record's is none where it is null.
#[derive(Debug, Clone)]
pub struct PackedColumn {
    nulls: Vec<u8>,
    offsets: Vec<u32>,
    data: Vec<u8>,
}

impl PackedColumn {
    /// As many as records.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// All bytes together.
    pub fn size(&self) -> usize {
        self.data.len()
    }
    /// In the order of the records; UTF-8 where the field is text.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> + '_ {
        self.offsets.windows(2).enumerate().map(|(i, at)| {
            let null = self.nulls.get(i / 8).is_some_and(|bits| bits >> (i % 8) & 1 == 1);
            (!null).then(|| self.data.get(at[0] as usize..at[1] as usize).unwrap_or_default())
        })
    }
}

impl Batch<'_> {
    /// The text or bytes of one field; numbers and booleans are an error, lists and structs come as JSON.
    pub fn strings(&self, path: &str) -> Result<PackedColumn, Error> {
        let Column { nulls, data, .. } = self.column(path, ColumnStyle::Packed)?;
        match data {
            ColumnData::Packed(Packed { offsets, data }) => Ok(PackedColumn { nulls, offsets, data }),
            _ => Err(Error::fatal("records.no-strings", format!("{path} holds neither text nor bytes"))),
        }
    }
}

/// Makes a column of text or bytes, record by record.
#[derive(Debug, Clone)]
pub struct PackedWriter {
    nulls: Vec<u8>,
    offsets: Vec<u32>,
    data: Vec<u8>,
}

impl PackedWriter {
    /// `records`: how many there will be.
    pub fn new(records: usize) -> Self {
        Self::with_capacity(records, 0)
    }
    /// `bytes`: of all values together.
    pub fn with_capacity(records: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(records + 1);
        offsets.push(0);
        PackedWriter { nulls: Vec::new(), offsets, data: Vec::with_capacity(bytes) }
    }
    pub fn push(&mut self, value: &[u8]) {
        self.push_with(|data| data.extend_from_slice(value));
    }
    /// A value that `write` appends.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.data);
        self.offsets.push(self.data.len() as u32);
    }
    pub fn null(&mut self) {
        let i = self.offsets.len() - 1;
        self.nulls.resize(i / 8 + 1, 0);
        self.nulls[i / 8] |= 1 << (i % 8);
        self.offsets.push(self.data.len() as u32);
    }
    /// For [`Outcome::set`]. A field that is there keeps its schema; one that is not is bytes: a new text is `ColumnData::Texts`.
    pub fn column(mut self, path: impl Into<String>) -> Column {
        if !self.nulls.is_empty() {
            self.nulls.resize((self.offsets.len() - 1).div_ceil(8), 0);
        }
        Column {
            path: path.into(),
            nulls: self.nulls,
            data: ColumnData::Packed(Packed { offsets: self.offsets, data: self.data }),
        }
    }
}

impl Outcome {
    /// The batch with columns set, each of as many values as there are records.
    pub fn set(columns: impl IntoIterator<Item = Column>) -> Self {
        Outcome::patch(Patch { drop_rows: Vec::new(), remove_fields: Vec::new(), set: columns.into_iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let values = [Some(&b"ada"[..]), None, Some(b""), Some(b"\xff\0"), None, None, None, None, None, Some(b"x")];
        let mut writer = PackedWriter::new(values.len());
        for value in values {
            match value {
                Some(value) => writer.push(value),
                None => writer.null(),
            }
        }
        let Column { path, nulls, data: ColumnData::Packed(Packed { offsets, data }) } = writer.column("value.a") else {
            panic!()
        };
        assert_eq!((path.as_str(), nulls.len()), ("value.a", 2));
        let read = PackedColumn { nulls, offsets, data };
        assert_eq!((read.len(), read.size()), (10, 6));
        assert_eq!(read.iter().collect::<Vec<_>>(), values);
    }

    #[test]
    fn a_column_without_nulls_has_no_bits() {
        let mut writer = PackedWriter::with_capacity(1, 1);
        writer.push_with(|data| data.push(b'a'));
        assert!(writer.column("value").nulls.is_empty());
    }
}
