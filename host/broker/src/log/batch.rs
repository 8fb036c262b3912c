//! The header of a record batch (message format 2): the only part of a batch the broker reads on the way in and out.
//!
//! Owns the byte layout and the checks a produced batch must pass. Never looks at a record: see `records` for that.

use kafka_protocol::ResponseError;

/// Bytes of a batch header, up to and including the record count.
pub const HEADER_BYTES: usize = 61;
/// Bytes before the part that the length field counts: base offset and length.
pub const PREFIX_BYTES: usize = 12;
/// Where the checksummed part begins: the attributes.
pub const CHECKED_FROM: usize = 21;

const TIMESTAMP_TYPE: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// What the header of one batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// Bytes of the whole batch, prefix included.
    pub bytes: u32,
    pub checksum: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub records: i32,
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from(i32_at(bytes, at)) << 32 | i64::from(i32_at(bytes, at + 4) as u32)
}

impl BatchHeader {
    /// Reads a header; `None` when the bytes are too few or cannot be a batch of format 2.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER_BYTES || bytes[16] != 2 {
            return None;
        }
        let length = i32_at(bytes, 8);
        if length < (HEADER_BYTES - PREFIX_BYTES) as i32 || length > i32::MAX - PREFIX_BYTES as i32 {
            return None;
        }
        let header = Self {
            base_offset: i64_at(bytes, 0),
            bytes: length as u32 + PREFIX_BYTES as u32,
            checksum: i32_at(bytes, 17) as u32,
            attributes: i16_at(bytes, 21),
            last_offset_delta: i32_at(bytes, 23),
            base_timestamp: i64_at(bytes, 27),
            max_timestamp: i64_at(bytes, 35),
            producer_id: i64_at(bytes, 43),
            producer_epoch: i16_at(bytes, 51),
            base_sequence: i32_at(bytes, 53),
            records: i32_at(bytes, 57),
        };
        (header.last_offset_delta >= 0).then_some(header)
    }

    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The number of the compression codec.
    pub fn codec(&self) -> u8 {
        (self.attributes & 7) as u8
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether the timestamp is the broker's, one for the whole batch.
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & TIMESTAMP_TYPE != 0
    }

    pub fn is_idempotent(&self) -> bool {
        self.producer_id >= 0
    }

    /// The sequence number of the last record; sequences wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        add_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// Adds to a sequence number, wrapping from `i32::MAX` to 0.
pub fn add_sequence(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

/// Whether the checksum in a whole batch fits its bytes.
pub fn checksum_fits(batch: &[u8]) -> bool {
    batch.len() >= HEADER_BYTES && crc32c::crc32c(&batch[CHECKED_FROM..]) == i32_at(batch, 17) as u32
}

/// Checks one batch as a producer sent it and gives its header.
pub fn check_produced(batch: &[u8], bytes_max: usize) -> Result<BatchHeader, ResponseError> {
    if batch.len() >= 17 && batch[16] < 2 {
        return Err(ResponseError::UnsupportedForMessageFormat);
    }
    if batch.len() > bytes_max {
        return Err(ResponseError::MessageTooLarge);
    }
    let header = BatchHeader::parse(batch).ok_or(ResponseError::CorruptMessage)?;
    if header.bytes as usize != batch.len() || !checksum_fits(batch) {
        return Err(ResponseError::CorruptMessage);
    }
    let consistent = header.records > 0
        && header.last_offset_delta == header.records - 1
        && !header.is_control()
        && header.codec() <= 4
        && (!header.is_transactional() || header.is_idempotent())
        && (!header.is_idempotent() || (header.producer_epoch >= 0 && header.base_sequence >= 0));
    if consistent { Ok(header) } else { Err(ResponseError::InvalidRecord) }
}

/// Gives a batch its place in the log. The checksum does not cover these fields.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    batch[..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[12..16].copy_from_slice(&0i32.to_be_bytes()); // the leader epoch: there is one leader, for ever
}

/// Stamps a whole batch with the broker's time and renews its checksum.
pub fn set_append_time(batch: &mut [u8], now_ms: i64) {
    let attributes = i16_at(batch, 21) | TIMESTAMP_TYPE;
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch[35..43].copy_from_slice(&now_ms.to_be_bytes());
    set_checksum(batch);
}

/// Computes and stores the checksum of a whole batch.
pub fn set_checksum(batch: &mut [u8]) {
    let checksum = crc32c::crc32c(&batch[CHECKED_FROM..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
}

/// Builds a batch from its header (base offset to record count) and the bytes of its records, already compressed.
pub fn build(header: &BatchHeader, payload: &[u8]) -> Vec<u8> {
    let mut batch = Vec::with_capacity(HEADER_BYTES + payload.len());
    batch.extend_from_slice(&header.base_offset.to_be_bytes());
    batch.extend_from_slice(&((HEADER_BYTES - PREFIX_BYTES + payload.len()) as i32).to_be_bytes());
    batch.extend_from_slice(&0i32.to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&[0; 4]);
    batch.extend_from_slice(&header.attributes.to_be_bytes());
    batch.extend_from_slice(&header.last_offset_delta.to_be_bytes());
    batch.extend_from_slice(&header.base_timestamp.to_be_bytes());
    batch.extend_from_slice(&header.max_timestamp.to_be_bytes());
    batch.extend_from_slice(&header.producer_id.to_be_bytes());
    batch.extend_from_slice(&header.producer_epoch.to_be_bytes());
    batch.extend_from_slice(&header.base_sequence.to_be_bytes());
    batch.extend_from_slice(&header.records.to_be_bytes());
    batch.extend_from_slice(payload);
    set_checksum(&mut batch);
    batch
}

/// Builds the control batch that ends a transaction in one partition.
pub fn marker(base_offset: i64, now_ms: i64, producer_id: i64, producer_epoch: i16, commit: bool) -> Vec<u8> {
    let header = BatchHeader {
        base_offset,
        bytes: 0,
        checksum: 0,
        attributes: TRANSACTIONAL | CONTROL,
        last_offset_delta: 0,
        base_timestamp: now_ms,
        max_timestamp: now_ms,
        producer_id,
        producer_epoch,
        base_sequence: -1,
        records: 1,
    };
    // One record, lengths as zigzag varints: length 16, attributes, time and offset deltas, a key of 4 bytes (version 0,
    // type 0 abort or 1 commit), a value of 6 (version 0, coordinator epoch 0), no headers.
    let record = [32, 0, 0, 0, 8, 0, 0, 0, u8::from(commit), 12, 0, 0, 0, 0, 0, 0, 0];
    build(&header, &record)
}

/// Reads from a whole control batch whether it commits; `None` when it is no end-of-transaction marker.
pub fn marker_commits(batch: &[u8]) -> Option<bool> {
    match batch.get(HEADER_BYTES + 7..HEADER_BYTES + 9)? {
        [0, 0] => Some(false),
        [0, 1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_a_batch() {
        for commit in [false, true] {
            let batch = marker(7, 1_000, 42, 3, commit);
            let header = BatchHeader::parse(&batch).expect("a marker parses");
            assert!(checksum_fits(&batch));
            assert_eq!(header.bytes as usize, batch.len());
            assert!(header.is_control() && header.is_transactional());
            assert_eq!((header.base_offset, header.producer_id, header.producer_epoch), (7, 42, 3));
            assert_eq!(marker_commits(&batch), Some(commit));
        }
    }

    #[test]
    fn a_produced_marker_is_refused() {
        assert_eq!(check_produced(&marker(0, 0, 1, 0, true), 1 << 20), Err(ResponseError::InvalidRecord));
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut batch = marker(0, 0, 1, 0, true);
        let last = batch.len() - 1;
        batch[last] ^= 1;
        assert!(!checksum_fits(&batch));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(add_sequence(i32::MAX, 1), 0);
        assert_eq!(add_sequence(i32::MAX - 1, 3), 1);
    }
}
