//! The records inside a batch, for the few places that must look: compaction, look-up by time, keys of compacted topics.

use super::batch::{BatchHeader, HEADER_BYTES};
use super::compression::{CompressionError, decompress};
use std::borrow::Cow;

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    #[error("cannot decode the records of a batch")]
    Compression(#[from] CompressionError),
    #[error("the records of a batch are damaged")]
    Damaged,
}

/// One record: borrowed, nothing copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset_delta: i32,
    pub timestamp_delta: i64,
    pub key: Option<&'a [u8]>,
    pub is_tombstone: bool,
    /// The record as it stands in the batch, its length in front.
    pub raw: &'a [u8],
}

/// The unfolded records of one whole batch.
pub struct Records<'a> {
    payload: Cow<'a, [u8]>,
    count: i32,
}

impl<'a> Records<'a> {
    /// Unfolds the records of `batch`, at most `bytes_max` of them.
    pub fn of(header: &BatchHeader, batch: &'a [u8], bytes_max: usize) -> Result<Self, RecordsError> {
        let payload = batch.get(HEADER_BYTES..).ok_or(RecordsError::Damaged)?;
        Ok(Self { payload: decompress(header.codec(), payload, bytes_max)?, count: header.records })
    }

    /// Reads the records one by one; the first error ends the reading.
    pub fn iter(&self) -> impl Iterator<Item = Result<Record<'_>, RecordsError>> {
        let mut rest = Reader(&self.payload);
        let mut left = self.count;
        std::iter::from_fn(move || {
            if left <= 0 {
                return None;
            }
            let record = rest.record();
            left = if record.is_some() { left - 1 } else { 0 };
            Some(record.ok_or(RecordsError::Damaged))
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(bytes)?;
        self.0 = tail;
        Some(head)
    }

    fn varint(&mut self) -> Option<i64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let from = self.0;
        let length = usize::try_from(self.varint()?).ok()?;
        let mut body = Reader(self.take(length)?);
        let raw = &from[..from.len() - self.0.len()];
        body.take(1)?;
        let timestamp_delta = body.varint()?;
        let offset_delta = i32::try_from(body.varint()?).ok()?;
        let key = body.nullable()?;
        let is_tombstone = body.nullable()?.is_none();
        Some(Record { offset_delta, timestamp_delta, key, is_tombstone, raw })
    }
}

#[cfg(test)]
pub mod testing {
    //! Batches for tests of the log.

    use super::super::batch::{BatchHeader, build};
    use super::super::compression::compress;

    fn varint(out: &mut Vec<u8>, value: i64) {
        let mut zigzag = (value << 1 ^ value >> 63) as u64;
        while zigzag >= 0x80 {
            out.push(zigzag as u8 | 0x80);
            zigzag >>= 7;
        }
        out.push(zigzag as u8);
    }

    fn nullable(out: &mut Vec<u8>, value: Option<&[u8]>) {
        match value {
            None => varint(out, -1),
            Some(value) => {
                varint(out, value.len() as i64);
                out.extend_from_slice(value);
            }
        }
    }

    /// A key and a value, both optional.
    pub type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

    /// Who produces, with what sequence.
    #[derive(Clone, Copy)]
    pub struct From {
        pub producer_id: i64,
        pub epoch: i16,
        pub sequence: i32,
        pub transactional: bool,
    }

    /// A batch of `pairs`, one millisecond apart from `timestamp` on.
    pub fn batch(codec: u8, timestamp: i64, from: Option<From>, pairs: &[Pair]) -> Vec<u8> {
        let mut records = Vec::new();
        for (at, (key, value)) in pairs.iter().enumerate() {
            let mut body = vec![0];
            varint(&mut body, at as i64);
            varint(&mut body, at as i64);
            nullable(&mut body, *key);
            nullable(&mut body, *value);
            varint(&mut body, 0);
            varint(&mut records, body.len() as i64);
            records.extend_from_slice(&body);
        }
        let last = pairs.len() as i32 - 1;
        let header = BatchHeader {
            base_offset: 0,
            bytes: 0,
            checksum: 0,
            attributes: i16::from(codec) | if from.is_some_and(|from| from.transactional) { 16 } else { 0 },
            last_offset_delta: last,
            base_timestamp: timestamp,
            max_timestamp: timestamp + i64::from(last),
            producer_id: from.map_or(-1, |from| from.producer_id),
            producer_epoch: from.map_or(-1, |from| from.epoch),
            base_sequence: from.map_or(-1, |from| from.sequence),
            records: pairs.len() as i32,
        };
        build(&header, &compress(codec, &records).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_every_codec_are_read() {
        for codec in 0..5 {
            let batch = testing::batch(codec, 1_000, None, &[(Some(b"k"), Some(b"v")), (None, Some(b"w")), (Some(b"k"), None)]);
            let header = BatchHeader::parse(&batch).unwrap();
            let records = Records::of(&header, &batch, 1_000).unwrap();
            let read: Vec<_> = records.iter().map(|record| record.unwrap()).collect();
            let seen: Vec<_> = read.iter().map(|r| (r.offset_delta, r.timestamp_delta, r.key, r.is_tombstone)).collect();
            assert_eq!(seen, [(0, 0, Some(&b"k"[..]), false), (1, 1, None, false), (2, 2, Some(&b"k"[..]), true)]);
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(payload in proptest::collection::vec(any::<u8>(), 0..200), count in any::<i32>()) {
            let records = Records { payload: Cow::Owned(payload), count };
            for _ in records.iter().take(1_000) {}
        }
    }
}
