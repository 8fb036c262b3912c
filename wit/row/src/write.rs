//! Writing rows and batches: everything is appended to one buffer, and slots are filled in behind.

use std::collections::BTreeMap;

use crate::read::{Header, Record};
use crate::{BATCH_HEAD, FORMAT, NO_TIMESTAMP, NONE, RECORD_HEAD};

/// Topics of a batch that are looked through one by one; more are found by name.
const TOPICS_WALKED: usize = 16;

/// A row being written: where it starts and how many slots it has. It stays valid while its buffer only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowMark {
    start: usize,
    slots: usize,
    len: u32,
}

/// Rows, nested to any depth, in one growing buffer.
#[derive(Clone, Debug, Default)]
pub struct RowBuf {
    out: Vec<u8>,
}

impl RowBuf {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn with_capacity(bytes: usize) -> Self {
        RowBuf { out: Vec::with_capacity(bytes) }
    }
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }
    pub fn clear(&mut self) {
        self.out.clear();
    }
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Starts a row of `n` slots, all null until they are set.
    #[inline]
    pub fn begin(&mut self, n: usize) -> RowMark {
        let start = self.out.len();
        let words = n.div_ceil(64);
        self.out.extend_from_slice(&(n as u32).to_le_bytes());
        for w in 0..words {
            let bits = n - 64 * w;
            let mask = if bits >= 64 { u64::MAX } else { (1u64 << bits) - 1 };
            self.out.extend_from_slice(&mask.to_le_bytes());
        }
        let slots = self.out.len();
        self.out.resize(slots + 8 * n, 0);
        RowMark { start, slots, len: n as u32 }
    }

    /// Sets slot `i` to eight bytes. Panics when the row has no slot `i`.
    #[inline]
    pub fn slot(&mut self, row: RowMark, i: usize, value: u64) {
        assert!(i < row.len as usize, "slot {i} of {}", row.len);
        let at = row.slots + 8 * i;
        self.out[at..at + 8].copy_from_slice(&value.to_le_bytes());
        self.out[row.start + 4 + i / 8] &= !(1 << (i % 8));
    }
    /// Makes slot `i` null again.
    pub fn null(&mut self, row: RowMark, i: usize) {
        self.slot(row, i, 0);
        self.out[row.start + 4 + i / 8] |= 1 << (i % 8);
    }
    #[inline]
    pub fn bool(&mut self, row: RowMark, i: usize, v: bool) {
        self.slot(row, i, v as u64);
    }
    #[inline]
    pub fn i64(&mut self, row: RowMark, i: usize, v: i64) {
        self.slot(row, i, v as u64);
    }
    #[inline]
    pub fn f64(&mut self, row: RowMark, i: usize, v: f64) {
        self.slot(row, i, v.to_bits());
    }
    #[inline]
    pub fn bytes(&mut self, row: RowMark, i: usize, v: &[u8]) {
        let at = self.out.len();
        self.out.extend_from_slice(v);
        self.var(row, i, at);
    }
    #[inline]
    pub fn text(&mut self, row: RowMark, i: usize, v: &str) {
        self.bytes(row, i, v.as_bytes());
    }
    /// Sets slot `i` to bytes that `write` appends.
    #[inline]
    pub fn bytes_with(&mut self, row: RowMark, i: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.out.len();
        write(&mut self.out);
        self.var(row, i, at);
    }
    /// Copies a finished row (a struct, a list) into slot `i`.
    pub fn row(&mut self, row: RowMark, i: usize, v: crate::Row<'_>) {
        self.bytes(row, i, v.bytes());
    }
    /// Starts a nested row for slot `i`; close it with [`RowBuf::end_nested`] once it is written.
    #[inline]
    pub fn end_nested(&mut self, row: RowMark, i: usize, nested: RowMark) {
        self.var(row, i, nested.start);
    }
    #[inline]
    fn var(&mut self, row: RowMark, i: usize, at: usize) {
        let (offset, len) = ((at - row.start) as u64, (self.out.len() - at) as u64);
        self.slot(row, i, offset | len << 32);
    }
    /// Appends a copy of a finished row; its slots may then be set anew, what they pointed to stays behind unused.
    pub fn copy(&mut self, row: crate::Row<'_>) -> RowMark {
        let start = self.out.len();
        self.out.extend_from_slice(row.bytes());
        mark(&self.out, start)
    }
    /// The row that slot `i` of a row in this buffer points to. None: the slot is null, or points to no row.
    #[inline]
    pub fn nested(&self, row: RowMark, i: usize) -> Option<RowMark> {
        let (at, len) = self.target(row, i)?;
        crate::Row::new(self.out.get(at..at + len)?).map(|_| mark(&self.out, at))
    }
    /// Appends a copy of the row that slot `i` points to, so that it can grow; close it with [`RowBuf::end_nested`].
    pub fn lift(&mut self, row: RowMark, i: usize) -> Option<RowMark> {
        let (at, len) = self.target(row, i)?;
        crate::Row::new(self.out.get(at..at + len)?)?;
        let start = self.out.len();
        self.out.extend_from_within(at..at + len);
        Some(mark(&self.out, start))
    }
    /// Puts text or bytes where those of slot `i` are, when they are no longer than these.
    #[inline]
    pub fn overwrite(&mut self, row: RowMark, i: usize, v: &[u8]) -> bool {
        match self.target(row, i) {
            Some((at, len)) if v.len() <= len && at + len <= self.out.len() => {
                self.out[at..at + v.len()].copy_from_slice(v);
                self.slot(row, i, (at - row.start) as u64 | (v.len() as u64) << 32);
                true
            }
            _ => false,
        }
    }
    /// Copies values of `from`, a finished row, into the last row of this buffer: of each its slot here, its slot there, and whether
    /// it points to bytes. What lies end to end there is copied at once.
    pub fn take(&mut self, row: RowMark, from: crate::Row<'_>, values: impl IntoIterator<Item = (usize, usize, bool)>) {
        let bytes = from.bytes();
        // What is copied next, and where its first byte goes.
        let (mut run, mut at) = (0..0, self.out.len());
        let mut runs = Runs::default();
        let (head, slots) = self.out[row.start..row.slots + 8 * row.len as usize].split_at_mut(row.slots - row.start);
        let nulls = &mut head[4..];
        let (absent, theirs) = from.parts();
        for (to, i, points) in values {
            if absent.get(i / 8).is_none_or(|bits| bits >> (i % 8) & 1 == 1) {
                continue;
            }
            let Some(slot) = theirs.get(i) else { continue };
            let mut slot = u64::from_le_bytes(*slot);
            if points {
                let (start, len) = (slot as u32 as usize, (slot >> 32) as usize);
                // As elsewhere, what points outside its row is empty.
                let (start, len) = if start + len <= bytes.len() { (start, len) } else { (run.end, 0) };
                if start != run.end {
                    at += run.len();
                    runs.push(std::mem::replace(&mut run, start..start));
                }
                slot = (at + (start - run.start) - row.start) as u64 | (len as u64) << 32;
                run.end += len;
            }
            slots[8 * to..8 * to + 8].copy_from_slice(&slot.to_le_bytes());
            nulls[to / 8] &= !(1 << (to % 8));
        }
        runs.push(run);
        for run in runs.iter() {
            self.out.extend_from_slice(&bytes[run]);
        }
    }
    /// Whether slot `i` of a row in this buffer is null; a slot past the end is.
    #[inline]
    pub fn is_null(&self, row: RowMark, i: usize) -> bool {
        i >= row.len as usize || self.out[row.start + 4 + i / 8] >> (i % 8) & 1 == 1
    }
    #[inline]
    fn target(&self, row: RowMark, i: usize) -> Option<(usize, usize)> {
        if self.is_null(row, i) {
            return None;
        }
        let at = row.slots + 8 * i;
        let slot = u64::from_le_bytes(self.out[at..at + 8].try_into().expect("eight bytes"));
        Some((row.start + slot as u32 as usize, (slot >> 32) as usize))
    }
    /// The bytes of a row from its start to the end of the buffer: a root that was just finished.
    pub fn since(&self, row: RowMark) -> &[u8] {
        &self.out[row.start..]
    }
    /// Appends a finished root row: it means the same wherever it is.
    pub fn append(&mut self, row: crate::Row<'_>) {
        self.out.extend_from_slice(row.bytes());
    }
    /// How many bytes have been written.
    pub fn size(&self) -> usize {
        self.out.len()
    }
    /// Forgets all that was written past `size` bytes. A mark of a row past it is void.
    pub fn truncate(&mut self, size: usize) {
        self.out.truncate(size);
    }
    /// Forgets a row and all that came after it.
    pub fn undo(&mut self, row: RowMark) {
        self.out.truncate(row.start);
    }
}

/// Ranges of bytes; without an allocation for a few.
#[derive(Default)]
struct Runs {
    few: [(u32, u32); 8],
    n: usize,
    more: Vec<(u32, u32)>,
}

impl Runs {
    #[inline]
    fn push(&mut self, run: std::ops::Range<usize>) {
        let run = (run.start as u32, run.end as u32);
        match self.few.get_mut(self.n) {
            Some(place) => *place = run,
            None => self.more.push(run),
        }
        self.n += 1;
    }
    fn iter(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let few = &self.few[..self.n.min(self.few.len())];
        few.iter().chain(&self.more).map(|(start, end)| *start as usize..*end as usize)
    }
}

/// The mark of a row that starts at `start` and is known to fit.
#[inline]
fn mark(out: &[u8], start: usize) -> RowMark {
    let len = u32::from_le_bytes(out[start..start + 4].try_into().expect("four bytes"));
    RowMark { start, slots: start + 4 + 8 * (len as usize).div_ceil(64), len }
}

/// What a record says of itself beside its key, value and headers.
#[derive(Clone, Copy, Debug)]
pub struct RecordMeta {
    /// From [`BatchWriter::topic`].
    pub topic: u32,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    pub timestamp: Option<i64>,
    pub key_schema: Option<u32>,
    pub value_schema: Option<u32>,
}

/// Writes a batch: for each record [`begin`](Self::begin), then the value, the key and the headers, in this order
/// and each at most once, then [`end`](Self::end). Rows are written through [`rows`](Self::rows).
#[derive(Debug)]
pub struct BatchWriter {
    rows: RowBuf,
    topics: Vec<String>,
    /// Where each topic is, once there are many.
    places: BTreeMap<String, u32>,
    record_at: Vec<u32>,
    record: usize,
    n_headers: u32,
}

impl Default for BatchWriter {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl BatchWriter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(bytes: usize) -> Self {
        let mut rows = RowBuf::with_capacity(bytes.max(BATCH_HEAD));
        rows.out.resize(BATCH_HEAD, 0);
        BatchWriter { rows, topics: Vec::new(), places: BTreeMap::new(), record_at: Vec::new(), record: 0, n_headers: 0 }
    }

    /// How many records have been started.
    pub fn len(&self) -> usize {
        self.record_at.len()
    }
    pub fn is_empty(&self) -> bool {
        self.record_at.is_empty()
    }
    /// Bytes written so far.
    pub fn size(&self) -> usize {
        self.rows.out.len()
    }

    /// The index of a topic, added when it is new.
    pub fn topic(&mut self, name: &str) -> u32 {
        // The last one first: batches mostly come from few topics, in runs.
        if let Some(i) = self.topics.iter().rev().take(TOPICS_WALKED).position(|t| t == name) {
            return (self.topics.len() - 1 - i) as u32;
        }
        if self.topics.len() >= TOPICS_WALKED {
            if self.places.is_empty() {
                self.places.extend(self.topics.iter().zip(0..).map(|(t, i)| (t.clone(), i)));
            }
            if let Some(i) = self.places.get(name) {
                return *i;
            }
            self.places.insert(name.to_owned(), self.topics.len() as u32);
        }
        self.topics.push(name.to_owned());
        self.topics.len() as u32 - 1
    }

    /// Starts a record with a null key, a null value and no headers.
    pub fn begin(&mut self, meta: RecordMeta) {
        debug_assert!((meta.topic as usize) < self.topics.len(), "topic from another batch");
        self.record = self.rows.out.len();
        self.record_at.push(self.record as u32);
        self.n_headers = 0;
        let mut head = [0u8; RECORD_HEAD];
        head[0..4].copy_from_slice(&meta.topic.to_le_bytes());
        head[4..8].copy_from_slice(&meta.partition.unwrap_or(-1).to_le_bytes());
        head[8..16].copy_from_slice(&meta.offset.unwrap_or(-1).to_le_bytes());
        head[16..24].copy_from_slice(&meta.timestamp.unwrap_or(NO_TIMESTAMP).to_le_bytes());
        head[24..28].copy_from_slice(&meta.key_schema.unwrap_or(NONE).to_le_bytes());
        head[28..32].copy_from_slice(&meta.value_schema.unwrap_or(NONE).to_le_bytes());
        head[32..36].copy_from_slice(&NONE.to_le_bytes());
        head[36..40].copy_from_slice(&NONE.to_le_bytes());
        self.rows.out.extend_from_slice(&head);
    }

    /// Where the rows of the current record are written.
    #[inline]
    pub fn rows(&mut self) -> &mut RowBuf {
        &mut self.rows
    }

    fn section(&mut self, field: usize, start: usize) {
        let len = (self.rows.out.len() - start) as u32;
        self.head(field, len);
    }

    /// The row just written is the record's value.
    pub fn end_value(&mut self, row: RowMark) {
        debug_assert_eq!(row.start, self.record + RECORD_HEAD, "the value comes right after the head");
        self.section(36, row.start);
    }
    /// The row just written is the record's key.
    pub fn end_key(&mut self, row: RowMark) {
        self.section(32, row.start);
    }
    /// Writes the record's value with a function that appends one root row, as converters do. It answers the schema's id
    /// (none: schemaless), or none when the value is null and has none. Where it answers one and appends nothing, the value
    /// is null and has this schema. After an error the record is as it was.
    pub fn value_with<E>(&mut self, write: impl FnOnce(&mut RowBuf) -> Result<Option<Option<u32>>, E>) -> Result<(), E> {
        self.part_with(36, 28, write)
    }
    /// Writes the record's key, like [`BatchWriter::value_with`].
    pub fn key_with<E>(&mut self, write: impl FnOnce(&mut RowBuf) -> Result<Option<Option<u32>>, E>) -> Result<(), E> {
        self.part_with(32, 24, write)
    }
    fn part_with<E>(
        &mut self,
        length: usize,
        schema: usize,
        write: impl FnOnce(&mut RowBuf) -> Result<Option<Option<u32>>, E>,
    ) -> Result<(), E> {
        let start = self.rows.out.len();
        match write(&mut self.rows) {
            Ok(Some(id)) => {
                if self.rows.out.len() > start {
                    self.section(length, start);
                }
                self.head(schema, id.unwrap_or(NONE));
                Ok(())
            }
            Ok(None) => {
                self.rows.out.truncate(start);
                Ok(())
            }
            Err(e) => {
                self.rows.out.truncate(start);
                Err(e)
            }
        }
    }
    fn head(&mut self, field: usize, value: u32) {
        let at = self.record + field;
        self.rows.out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Copies a finished row as the record's value.
    pub fn value(&mut self, row: crate::Row<'_>) {
        let start = self.rows.out.len();
        self.rows.out.extend_from_slice(row.bytes());
        self.section(36, start);
    }
    /// Copies a finished row as the record's key.
    pub fn key(&mut self, row: crate::Row<'_>) {
        let start = self.rows.out.len();
        self.rows.out.extend_from_slice(row.bytes());
        self.section(32, start);
    }

    /// Appends a header.
    pub fn header(&mut self, header: Header<'_>) {
        let out = &mut self.rows.out;
        out.extend_from_slice(&(header.name.len() as u16).to_le_bytes());
        out.extend_from_slice(&header.schema.unwrap_or(NONE).to_le_bytes());
        out.extend_from_slice(&header.value.map_or(NONE, |v| v.bytes().len() as u32).to_le_bytes());
        out.extend_from_slice(header.name.as_bytes());
        out.extend_from_slice(header.value.map_or(&[], |v| v.bytes()));
        self.n_headers += 1;
    }
    /// Copies all headers of a record.
    pub fn headers_from(&mut self, record: &Record<'_>) {
        let (n, bytes) = record.header_bytes();
        self.rows.out.extend_from_slice(bytes);
        self.n_headers += n;
    }

    pub fn end(&mut self) {
        self.head(40, self.n_headers);
    }

    /// Forgets the record that was begun last.
    pub fn undo(&mut self) {
        if let Some(at) = self.record_at.pop() {
            self.rows.out.truncate(at as usize);
        }
    }

    /// Copies a record as it is, from a batch whose topic has the index `topic` here.
    pub fn copy(&mut self, record: &Record<'_>, topic: u32) {
        self.record = self.rows.out.len();
        self.record_at.push(self.record as u32);
        self.rows.out.extend_from_slice(record.bytes());
        let at = self.record;
        self.rows.out[at..at + 4].copy_from_slice(&topic.to_le_bytes());
    }

    /// The value's row of the record that was written or copied last, to be changed in place. None: a tombstone.
    #[inline]
    pub fn last_value(&self) -> Option<RowMark> {
        let len = self.rows.out.get(self.record + 36..self.record + 40)?;
        if self.record_at.is_empty() || len == NONE.to_le_bytes() {
            return None;
        }
        Some(mark(&self.rows.out, self.record + RECORD_HEAD))
    }

    /// The finished buffer.
    pub fn finish(self) -> Vec<u8> {
        let mut out = self.rows.out;
        let tables_at = out.len() as u32;
        for topic in &self.topics {
            out.extend_from_slice(&(topic.len() as u16).to_le_bytes());
            out.extend_from_slice(topic.as_bytes());
        }
        for at in self.record_at.iter().chain([&tables_at]) {
            out.extend_from_slice(&at.to_le_bytes());
        }
        for (i, v) in [FORMAT, self.record_at.len() as u32, self.topics.len() as u32, tables_at].into_iter().enumerate() {
            out[4 * i..4 * i + 4].copy_from_slice(&v.to_le_bytes());
        }
        out
    }
}
