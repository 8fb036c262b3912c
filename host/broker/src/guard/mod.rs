//! Checks the frame of a request against the shape its API and version give it, before the codec sees it.
//!
//! The codec hands array lengths from the wire to the allocator, so that a request of 22 bytes could end the process. Here
//! every length is held against the bytes that remain and every array against a limit; what passes, the codec can decode
//! without allocating more than a small multiple of the frame. Drop this once the codec bounds its allocations itself.

mod table;
#[cfg(test)]
mod tests;

pub use table::{API_SHAPES, ApiShape};

/// The kinds of field a request is made of.
#[derive(Debug)]
pub enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string, null or not.
    Text,
    /// Bytes, null or not.
    Bytes,
    /// An array of bare fields.
    List(&'static Kind),
    /// An array of structures.
    Array(&'static [Field]),
}

/// A field, and the versions that have it.
#[derive(Debug)]
pub struct Field {
    pub from: i16,
    pub to: i16,
    pub kind: Kind,
}

/// Why a frame is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    #[error("a field of the request reaches beyond its end")]
    Short,
    #[error("the request has more than {0} array elements")]
    Elements(usize),
}

/// Finds the shape of an API that is offered.
pub fn shape(api_key: i16) -> Option<&'static ApiShape> {
    API_SHAPES.iter().find(|shape| shape.key == api_key)
}

/// Checks what follows the first eight bytes of a frame (API, version, correlation id).
pub fn check(shape: &ApiShape, version: i16, rest: &[u8], elements_max: usize) -> Result<(), GuardError> {
    let flexible = version >= shape.flexible_from;
    let mut walk = Walk { rest, version, flexible: false, elements_left: elements_max, elements_max };
    walk.text()?; // the client id is never compact
    walk.flexible = flexible;
    walk.tags()?;
    walk.fields(shape.fields)?;
    // Bytes behind the end are let be, as Kafka does: librdkafka leaves three in a request for all topics' metadata.
    walk.tags()
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements_left: usize,
    elements_max: usize,
}

impl Walk<'_> {
    fn skip(&mut self, bytes: usize) -> Result<(), GuardError> {
        self.rest = self.rest.get(bytes..).ok_or(GuardError::Short)?;
        Ok(())
    }

    fn big_endian<const N: usize>(&mut self) -> Result<[u8; N], GuardError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(GuardError::Short)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn varint(&mut self) -> Result<usize, GuardError> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.big_endian()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).map_err(|_| GuardError::Short);
            }
        }
        Err(GuardError::Short)
    }

    /// A length as bytes, strings or arrays have it: 0 stands for null too.
    fn length(&mut self, wide: bool) -> Result<usize, GuardError> {
        let length = match (self.flexible, wide) {
            (true, _) => return Ok(self.varint()?.saturating_sub(1)),
            (false, true) => i32::from_be_bytes(self.big_endian()?),
            (false, false) => i32::from(i16::from_be_bytes(self.big_endian()?)),
        };
        if length < -1 { Err(GuardError::Short) } else { Ok(length.max(0) as usize) }
    }

    fn text(&mut self) -> Result<(), GuardError> {
        let length = self.length(false)?;
        self.skip(length)
    }

    fn tags(&mut self) -> Result<(), GuardError> {
        if self.flexible {
            let count = self.varint()?;
            self.count(count)?;
            for _ in 0..count {
                self.varint()?;
                let length = self.varint()?;
                self.skip(length)?;
            }
        }
        Ok(())
    }

    /// Counts elements against the limit, and against the bytes that remain: each takes one at least.
    fn count(&mut self, elements: usize) -> Result<(), GuardError> {
        if elements > self.rest.len() {
            return Err(GuardError::Short);
        }
        self.elements_left = self.elements_left.checked_sub(elements).ok_or(GuardError::Elements(self.elements_max))?;
        Ok(())
    }

    fn fields(&mut self, fields: &[Field]) -> Result<(), GuardError> {
        let version = self.version;
        fields.iter().filter(|field| (field.from..=field.to).contains(&version)).try_for_each(|field| self.kind(&field.kind))
    }

    fn kind(&mut self, kind: &Kind) -> Result<(), GuardError> {
        match kind {
            Kind::Fixed(bytes) => self.skip(*bytes),
            Kind::Text => self.text(),
            Kind::Bytes => {
                let length = self.length(true)?;
                self.skip(length)
            }
            Kind::List(kind) => {
                let count = self.length(true)?;
                self.count(count)?;
                (0..count).try_for_each(|_| self.kind(kind))
            }
            Kind::Array(fields) => {
                let count = self.length(true)?;
                self.count(count)?;
                (0..count).try_for_each(|_| {
                    self.fields(fields)?;
                    self.tags()
                })
            }
        }
    }
}
