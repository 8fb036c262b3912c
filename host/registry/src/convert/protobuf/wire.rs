//! Protobuf's wire format: tags, varints and lengths. Knows no schema.

use super::super::misfit::Misfit;

/// How a value stands in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Fixed64,
    Length,
    Group,
    Fixed32,
}

pub(super) const VARINT: u32 = 0;
pub(super) const FIXED64: u32 = 1;
pub(super) const LENGTH: u32 = 2;
const START_GROUP: u32 = 3;
const END_GROUP: u32 = 4;
pub(super) const FIXED32: u32 = 5;

/// Groups in groups that are read, as Java's limit for messages.
const DEPTH_MAX: usize = 100;

fn cut() -> Misfit {
    Misfit::new(
        "While parsing a protocol message, the input ended unexpectedly in the middle of a field. This could mean either that \
         the input has been truncated or that an embedded message misreported its own length.",
    )
}

/// A place in the bytes of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64, Misfit> {
        let (mut value, mut shift) = (0u64, 0);
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
            if shift > 63 {
                return Err(Misfit::new("CodedInputStream encountered a malformed varint."));
            }
        }
        Err(cut())
    }

    /// The number of the next field and how its value stands. The end of a group is none.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<(u32, Wire)>, Misfit> {
        let tag = self.varint()? as u32;
        let number = tag >> 3;
        if number == 0 {
            return Err(Misfit::new("Protocol message contained an invalid tag (zero)."));
        }
        let wire = match tag & 7 {
            VARINT => Wire::Varint,
            FIXED64 => Wire::Fixed64,
            LENGTH => Wire::Length,
            START_GROUP => Wire::Group,
            FIXED32 => Wire::Fixed32,
            END_GROUP => return Ok(None),
            _ => return Err(Misfit::new("Protocol message tag had invalid wire type.")),
        };
        Ok(Some((number, wire)))
    }

    #[inline]
    fn take(&mut self, n: usize) -> Result<&'a [u8], Misfit> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..n)).ok_or_else(cut)?;
        self.at += n;
        Ok(taken)
    }

    /// The bytes of the next value: a varint's own, those behind a length, those of a group without its end.
    #[inline]
    pub fn value(&mut self, wire: Wire) -> Result<&'a [u8], Misfit> {
        let start = self.at;
        match wire {
            Wire::Varint => {
                self.varint()?;
                Ok(&self.bytes[start..self.at])
            }
            Wire::Fixed64 => self.take(8),
            Wire::Fixed32 => self.take(4),
            Wire::Length => {
                let n = self.varint()?;
                self.take(usize::try_from(n).map_err(|_| cut())?)
            }
            Wire::Group => self.group(),
        }
    }

    /// The number of the next field, how its value stands, and the value. None: there is no other.
    #[inline]
    pub fn field(&mut self) -> Result<Option<(u32, Wire, &'a [u8])>, Misfit> {
        if self.is_empty() {
            return Ok(None);
        }
        let Some((number, wire)) = self.tag()? else {
            return Err(Misfit::new("Protocol message end-group tag did not match expected tag."));
        };
        Ok(Some((number, wire, self.value(wire)?)))
    }

    fn group(&mut self) -> Result<&'a [u8], Misfit> {
        let (start, mut depth) = (self.at, 1);
        loop {
            let before = self.at;
            match self.tag()? {
                Some((_, Wire::Group)) if depth == DEPTH_MAX => {
                    return Err(Misfit::new("Protocol message had too many levels of nesting."));
                }
                Some((_, Wire::Group)) => depth += 1,
                Some((_, wire)) => drop(self.value(wire)?),
                None => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(&self.bytes[start..before]);
                    }
                }
            }
        }
    }
}

#[inline]
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub(super) fn put_tag(number: u32, wire: u32, out: &mut Vec<u8>) {
    put_varint(u64::from(number << 3 | wire), out);
}

pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Appends what `write` writes, with its length before it.
pub(super) fn put_sized<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    // One byte is enough for most; the others move what was written.
    let at = out.len();
    out.push(0);
    write(out)?;
    let n = out.len() - at - 1;
    if n < 0x80 {
        out[at] = n as u8;
        return Ok(());
    }
    let mut length = Vec::with_capacity(10);
    put_varint(n as u64, &mut length);
    out.splice(at..=at, length);
    Ok(())
}

/// Appends the list of indexes that says which message of its file a value is; that of the first is one byte.
pub(super) fn put_indexes(indexes: &[i32], out: &mut Vec<u8>) {
    if indexes == [0] {
        out.push(0);
        return;
    }
    put_varint(zigzag(indexes.len() as i64), out);
    for index in indexes {
        put_varint(zigzag(i64::from(*index)), out);
    }
}

/// How deep messages in messages may lie.
const INDEXES_MAX: i64 = 100;

/// Reads the list of indexes.
pub(super) fn indexes(reader: &mut Reader<'_>) -> Result<Vec<i32>, Misfit> {
    let n = unzigzag(reader.varint()?);
    if n == 0 {
        return Ok(vec![0]);
    }
    if !(1..=INDEXES_MAX).contains(&n) {
        return Err(Misfit::new(format!("Invalid message indexes: a list of {n}")));
    }
    let mut read = || {
        let index = unzigzag(reader.varint()?);
        i32::try_from(index).map_err(|_| Misfit::new(format!("Invalid message indexes: {index}")))
    };
    (0..n).map(|_| read()).collect()
}
