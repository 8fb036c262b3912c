//! The small binary form of our own files (checkpoints, the journal): big-endian numbers, counted strings.
//!
//! A decoder never trusts a count: it reads element by element and stops where the bytes stop.

/// Writes fields one after the other.
#[derive(Debug, Default)]
pub struct Encoder(Vec<u8>);

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {
        impl Encoder {
            $(pub fn $name(&mut self, value: $type) -> &mut Self {
                self.0.extend_from_slice(&value.to_be_bytes());
                self
            })*
        }
        impl Decoder<'_> {
            $(pub fn $name(&mut self) -> Option<$type> {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Some(<$type>::from_be_bytes(*bytes))
            })*
        }
    };
}
numbers!(u8: u8, i16: i16, i32: i32, u32: u32, i64: i64, u64: u64);

impl Encoder {
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.u32(u32::try_from(count).expect("a count in our own state fits 32 bits"))
    }

    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.count(value.len());
        self.0.extend_from_slice(value);
        self
    }

    pub fn str(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields one after the other; `None` where the bytes do not suffice.
pub struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn count(&mut self) -> Option<usize> {
        self.u32().map(|count| count as usize)
    }

    pub fn raw(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(head)
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        self.raw(length)
    }

    pub fn str(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
