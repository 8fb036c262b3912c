//! How a window is kept: chunks of what was seen one after another, each an entry of the task's state.
//!
//! A chunk is the format, when it was last added to (milliseconds since the epoch), and its entries of 24 bytes, all numbers
//! with the lowest byte first. It is what a later version has to read: its bytes are the same for ever.

use super::identity::Id;

const FORMAT: u8 = 1;
const HEAD: usize = 9;
const ENTRY: usize = 24;

/// What an entry says of its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A record was let through.
    Record,
    /// A delete of a key was let through, or the tombstone behind a dropped one has come.
    Passed,
    /// A delete of a key, or the tombstone behind it, was dropped.
    Dropped,
}

/// An offset of the log and its mark, in eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u64);

impl Place {
    pub fn new(offset: i64, mark: Mark) -> Place {
        Place((offset as u64) << 2 | mark as u64)
    }
    pub fn offset(self) -> i64 {
        (self.0 >> 2) as i64
    }
    pub fn mark(self) -> Mark {
        match self.0 & 3 {
            0 => Mark::Record,
            1 => Mark::Passed,
            _ => Mark::Dropped,
        }
    }
}

/// A chunk that entries are added to.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    pub fn begin(now: i64) -> Writer {
        let mut bytes = Vec::with_capacity(HEAD + 8 * ENTRY);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&now.to_le_bytes());
        Writer(bytes)
    }

    pub fn add(&mut self, id: Id, place: Place, now: i64) {
        self.0[1..HEAD].copy_from_slice(&now.to_le_bytes());
        for part in [id.0, id.1, place.0] {
            self.0.extend_from_slice(&part.to_le_bytes());
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A chunk as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a>(&'a [u8]);

impl<'a> Chunk<'a> {
    /// None: it is not one that this version knows.
    pub fn read(bytes: &'a [u8]) -> Option<Chunk<'a>> {
        let whole = bytes.len() >= HEAD && (bytes.len() - HEAD).is_multiple_of(ENTRY) && bytes[0] == FORMAT;
        whole.then_some(Chunk(bytes))
    }
    pub fn last(self) -> i64 {
        number(&self.0[1..]) as i64
    }
    pub fn len(self) -> usize {
        (self.0.len() - HEAD) / ENTRY
    }
    pub fn entries(self) -> impl Iterator<Item = (Id, Place)> + 'a {
        self.0[HEAD..].chunks_exact(ENTRY).map(|e| (Id(number(e), number(&e[8..])), Place(number(&e[16..]))))
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn its_bytes_are_the_same_for_ever() {
        let mut writer = Writer::begin(0x0102);
        writer.add(Id(3, 4), Place::new(5, Mark::Dropped), 0x0607);
        let mut expected = vec![1, 7, 6, 0, 0, 0, 0, 0, 0];
        for n in [3u8, 4, 5 << 2 | 2] {
            expected.extend([n, 0, 0, 0, 0, 0, 0, 0]);
        }
        assert_eq!(writer.bytes(), expected);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            times in (any::<i64>(), any::<i64>()),
            entries in prop::collection::vec((any::<u64>(), any::<u64>(), 0..i64::MAX >> 2, 0usize..3), 0..40),
        ) {
            let marks = [Mark::Record, Mark::Passed, Mark::Dropped];
            let entries: Vec<_> = entries.iter().map(|(a, b, offset, mark)| (Id(*a, *b), *offset, marks[*mark])).collect();
            let mut writer = Writer::begin(times.0);
            entries.iter().for_each(|(id, offset, mark)| writer.add(*id, Place::new(*offset, *mark), times.1));
            let chunk = Chunk::read(writer.bytes()).unwrap();
            prop_assert_eq!(chunk.len(), entries.len());
            prop_assert_eq!(chunk.last(), if entries.is_empty() { times.0 } else { times.1 });
            let read: Vec<_> = chunk.entries().map(|(id, p)| (id, p.offset(), p.mark())).collect();
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn what_is_no_chunk_is_told(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(chunk) = Chunk::read(&bytes) {
                prop_assert_eq!(HEAD + ENTRY * chunk.entries().count(), bytes.len());
                prop_assert_eq!(bytes[0], FORMAT);
            }
        }
    }
}
