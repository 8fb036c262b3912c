//! Views into a batch: they copy nothing.

use crate::{BATCH_HEAD, FORMAT, NO_TIMESTAMP, NONE, RECORD_HEAD};

/// A buffer that is not a batch of row format 1: what is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    pub what: &'static str,
    pub at: usize,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not a batch of row format 1: {} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Malformed {}

fn bad<T>(what: &'static str, at: usize) -> Result<T, Malformed> {
    Err(Malformed { what, at })
}

#[inline]
fn u16_at(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(b[at..at + 2].try_into().expect("two bytes"))
}
#[inline]
fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(b[at..at + 4].try_into().expect("four bytes"))
}
#[inline]
fn u64_at(b: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(b[at..at + 8].try_into().expect("eight bytes"))
}

/// A batch whose tables and record heads have been checked.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    bytes: &'a [u8],
    topics: Vec<&'a str>,
    record_at: usize,
    len: usize,
}

impl<'a> Batch<'a> {
    /// Checks the head, the tables and the bounds of every record's sections. Rows are not looked into.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(bytes, false)
    }

    /// Reads a buffer that has passed [`Batch::parse`] before, or that a [`crate::BatchWriter`] made: only the tables are
    /// looked at, whatever the number of records. Reading another buffer this way may panic, never more.
    pub fn reopen(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(bytes, true)
    }

    fn read(bytes: &'a [u8], trusted: bool) -> Result<Self, Malformed> {
        if bytes.len() < BATCH_HEAD {
            return bad("shorter than its head", 0);
        }
        if u32_at(bytes, 0) != FORMAT {
            return bad("another format number", 0);
        }
        let (len, n_topics, tables_at) = (u32_at(bytes, 4) as usize, u32_at(bytes, 8) as usize, u32_at(bytes, 12) as usize);
        if tables_at < BATCH_HEAD || tables_at > bytes.len() {
            return bad("tables outside the buffer", 12);
        }
        let mut at = tables_at;
        // A topic takes two bytes at least: a count the buffer cannot hold never reaches an allocation.
        if n_topics > (bytes.len() - at) / 2 {
            return bad("more topics than bytes", 8);
        }
        let mut topics = Vec::with_capacity(n_topics);
        for _ in 0..n_topics {
            if bytes.len() - at < 2 {
                return bad("topic table cut short", at);
            }
            let n = u16_at(bytes, at) as usize;
            let Some(name) = bytes.get(at + 2..at + 2 + n) else {
                return bad("topic table cut short", at);
            };
            let Ok(name) = std::str::from_utf8(name) else {
                return bad("topic is not UTF-8", at);
            };
            topics.push(name);
            at += 2 + n;
        }
        if len > (bytes.len() - at) / 4 || bytes.len() - at < 4 * (len + 1) {
            return bad("record table cut short", at);
        }
        let batch = Batch { bytes, topics, record_at: at, len };
        if trusted {
            return Ok(batch);
        }
        let mut from = BATCH_HEAD;
        for i in 0..=len {
            let start = u32_at(bytes, at + 4 * i) as usize;
            if start < from || start > tables_at || (i == 0 && start != BATCH_HEAD) || (i == len && start != tables_at) {
                return bad("record table out of order", at + 4 * i);
            }
            if i > 0 {
                batch.record(i - 1).check(batch.topics.len(), from)?;
            }
            from = start;
        }
        Ok(batch)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The buffer behind the batch.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The distinct topics; [`Record::topic`] is an index into them.
    pub fn topics(&self) -> &[&'a str] {
        &self.topics
    }

    /// The name of a record's topic.
    pub fn topic_of(&self, record: &Record<'_>) -> &'a str {
        self.topics[record.topic() as usize]
    }

    /// Record `i`. Panics when `i` is not below [`Batch::len`].
    #[inline]
    pub fn record(&self, i: usize) -> Record<'a> {
        assert!(i < self.len, "record {i} of {}", self.len);
        let at = self.record_at + 4 * i;
        Record(&self.bytes[u32_at(self.bytes, at) as usize..u32_at(self.bytes, at + 4) as usize])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'a>> + '_ {
        (0..self.len).map(|i| self.record(i))
    }
}

/// One record of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    fn check(&self, n_topics: usize, at: usize) -> Result<(), Malformed> {
        if self.0.len() < RECORD_HEAD {
            return bad("record shorter than its head", at);
        }
        if self.topic() as usize >= n_topics {
            return bad("record of a topic that is not in the table", at);
        }
        let mut end = RECORD_HEAD;
        for len in [self.value_len(), self.key_len()] {
            if len != NONE {
                let Some(row) = self.0.get(end..).and_then(|r| r.get(..len as usize)) else {
                    return bad("key or value outside its record", at);
                };
                if !Row(row).fits() {
                    return bad("row shorter than its slots", at + end);
                }
                end += len as usize;
            }
        }
        let mut headers = self.headers();
        for _ in 0..self.n_headers() {
            match headers.next() {
                Some(h) if h.value.is_none_or(|v| v.fits()) => {}
                _ => return bad("header outside its record", at),
            }
        }
        if !headers.rest.is_empty() {
            return bad("bytes after a record's last header", at);
        }
        Ok(())
    }

    fn key_len(&self) -> u32 {
        u32_at(self.0, 32)
    }
    fn value_len(&self) -> u32 {
        u32_at(self.0, 36)
    }
    fn n_headers(&self) -> u32 {
        u32_at(self.0, 40)
    }

    /// The record's bytes, from its head to its last header.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
    /// Index into [`Batch::topics`].
    pub fn topic(&self) -> u32 {
        u32_at(self.0, 0)
    }
    pub fn partition(&self) -> Option<i32> {
        let p = u32_at(self.0, 4) as i32;
        (p >= 0).then_some(p)
    }
    /// Kafka's offset, on the way to a sink.
    pub fn offset(&self) -> Option<i64> {
        let o = u64_at(self.0, 8) as i64;
        (o >= 0).then_some(o)
    }
    /// Milliseconds since the epoch.
    pub fn timestamp(&self) -> Option<i64> {
        let t = u64_at(self.0, 16) as i64;
        (t != NO_TIMESTAMP).then_some(t)
    }
    /// The id of the key's schema; none: schemaless.
    pub fn key_schema(&self) -> Option<u32> {
        let s = u32_at(self.0, 24);
        (s != NONE).then_some(s)
    }
    /// The id of the value's schema; none: schemaless.
    pub fn value_schema(&self) -> Option<u32> {
        let s = u32_at(self.0, 28);
        (s != NONE).then_some(s)
    }
    /// The value's row; none: a tombstone.
    #[inline]
    pub fn value(&self) -> Option<Row<'a>> {
        let n = self.value_len();
        (n != NONE).then(|| Row(&self.0[RECORD_HEAD..RECORD_HEAD + n as usize]))
    }
    fn key_at(&self) -> usize {
        let n = self.value_len();
        RECORD_HEAD + if n == NONE { 0 } else { n as usize }
    }
    /// The key's row; none: a null key.
    #[inline]
    pub fn key(&self) -> Option<Row<'a>> {
        let (n, at) = (self.key_len(), self.key_at());
        (n != NONE).then(|| Row(&self.0[at..at + n as usize]))
    }
    pub fn headers(&self) -> Headers<'a> {
        let n = self.key_len();
        let at = self.key_at() + if n == NONE { 0 } else { n as usize };
        Headers { rest: self.0.get(at..).unwrap_or_default(), left: self.n_headers() }
    }
    /// The bytes of all headers, to be copied as they are with [`crate::BatchWriter::headers_from`].
    pub(crate) fn header_bytes(&self) -> (u32, &'a [u8]) {
        (self.n_headers(), self.headers().rest)
    }
}

/// A header: its name, the id of its schema, its value's row (of one slot unless the value is a struct).
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    pub name: &'a str,
    pub schema: Option<u32>,
    pub value: Option<Row<'a>>,
}

/// The headers of a record, in order. Stops at the first that is cut short.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.left == 0 || self.rest.len() < 10 {
            return None;
        }
        let (name_len, schema, value_len) = (u16_at(self.rest, 0) as usize, u32_at(self.rest, 2), u32_at(self.rest, 6));
        let name = std::str::from_utf8(self.rest.get(10..10 + name_len)?).ok()?;
        let mut end = 10 + name_len;
        let value = if value_len == NONE {
            None
        } else {
            let row = self.rest.get(end..)?.get(..value_len as usize)?;
            end += row.len();
            Some(Row(row))
        };
        self.rest = &self.rest[end..];
        self.left -= 1;
        Some(Header { name, schema: (schema != NONE).then_some(schema), value })
    }
}

/// A row: a struct's fields, a list's elements, or the one slot of any other root.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a>(&'a [u8]);

impl<'a> Row<'a> {
    /// A row over its bytes; none when they are fewer than its slots need.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let row = Row(bytes);
        row.fits().then_some(row)
    }

    fn fits(&self) -> bool {
        self.0.len() >= 4 && {
            let n = u32_at(self.0, 0) as usize;
            self.0.len() >= 4 + 8 * n.div_ceil(64) + 8 * n
        }
    }

    /// The null bits, of more bits than slots, and the slots.
    #[inline]
    pub(crate) fn parts(&self) -> (&'a [u8], &'a [[u8; 8]]) {
        let n = self.len();
        let (nulls, rest) = self.0[4..].split_at(8 * n.div_ceil(64));
        (nulls, &rest.as_chunks().0[..n])
    }

    /// The row's bytes; they mean the same wherever they are copied to.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
    /// How many slots.
    #[inline]
    pub fn len(&self) -> usize {
        u32_at(self.0, 0) as usize
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether slot `i` is null; a slot past the end is.
    #[inline]
    pub fn is_null(&self, i: usize) -> bool {
        i >= self.len() || u64_at(self.0, 4 + 8 * (i / 64)) >> (i % 64) & 1 == 1
    }
    /// The eight bytes of slot `i`. Panics past the end.
    #[inline]
    pub fn slot(&self, i: usize) -> u64 {
        let n = self.len();
        assert!(i < n, "slot {i} of {n}");
        u64_at(self.0, 4 + 8 * n.div_ceil(64) + 8 * i)
    }
    #[inline]
    pub fn bool(&self, i: usize) -> bool {
        self.slot(i) != 0
    }
    #[inline]
    pub fn i64(&self, i: usize) -> i64 {
        self.slot(i) as i64
    }
    #[inline]
    pub fn f64(&self, i: usize) -> f64 {
        f64::from_bits(self.slot(i))
    }
    /// The bytes slot `i` points to; none where it points outside the row.
    #[inline]
    pub fn try_bytes(&self, i: usize) -> Option<&'a [u8]> {
        let s = self.slot(i);
        self.0.get(s as u32 as usize..)?.get(..(s >> 32) as usize)
    }
    /// The bytes slot `i` points to.
    #[inline]
    pub fn get_bytes(&self, i: usize) -> &'a [u8] {
        self.try_bytes(i).unwrap_or_default()
    }
    /// The text slot `i` points to; empty where it is not UTF-8.
    #[inline]
    pub fn text(&self, i: usize) -> &'a str {
        std::str::from_utf8(self.get_bytes(i)).unwrap_or_default()
    }
    /// The text slot `i` points to; none where it lies outside the row or is not UTF-8.
    #[inline]
    pub fn try_text(&self, i: usize) -> Option<&'a str> {
        std::str::from_utf8(self.try_bytes(i)?).ok()
    }
    /// The row that slot `i` points to: a struct, a list, or a map's two lists. None where it is not one.
    #[inline]
    pub fn row(&self, i: usize) -> Option<Row<'a>> {
        if self.is_null(i) {
            return None;
        }
        Row::new(self.try_bytes(i)?)
    }
}
