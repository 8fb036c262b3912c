//! A batch of encoded records on its way to the log: keys, values and headers in one buffer.

use std::collections::HashMap;
use std::ops::Range;

use rdkafka::error::RDKafkaErrorCode;

/// A part of a batch's buffer; none: null.
pub type Span = Option<Range<u32>>;

/// One record, as places in its batch.
#[derive(Debug, Clone)]
pub(super) struct OutRecord {
    /// Index into [`Outgoing::topics`].
    pub topic: u32,
    pub partition: Option<i32>,
    /// None: now.
    pub timestamp: Option<i64>,
    pub key: Span,
    pub value: Span,
    pub headers: Range<u32>,
    /// The caller's row that this record comes from.
    pub origin: u32,
}

/// See the module. It holds less than 4 GiB: whoever fills it sends it long before. Key, value and headers of a record are appended to [`Outgoing::buffer`], then named by
/// [`Outgoing::push`].
#[derive(Debug, Default)]
pub struct Outgoing {
    pub buffer: Vec<u8>,
    pub(super) records: Vec<OutRecord>,
    pub(super) headers: Vec<(Range<u32>, Span)>,
    /// Headers of the record that is being made start here.
    headers_from: u32,
    pub(super) topics: Vec<String>,
    topic_index: HashMap<String, u32>,
}

/// What is not in the buffer of a record.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutMeta {
    /// What [`Outgoing::topic`] answered.
    pub topic: u32,
    /// None: the partitioner's choice.
    pub partition: Option<i32>,
    /// None: now.
    pub timestamp: Option<i64>,
    /// The caller's row that this record comes from.
    pub origin: u32,
}

/// Where a record began, to undo it.
#[derive(Debug, Clone, Copy)]
pub struct Begun(usize);

impl Outgoing {
    pub fn with_capacity(records: usize, bytes: usize) -> Self {
        Outgoing { buffer: Vec::with_capacity(bytes), records: Vec::with_capacity(records), ..Outgoing::default() }
    }

    /// The index of a topic, new or known.
    pub fn topic(&mut self, name: &str) -> u32 {
        if let Some(at) = self.topic_index.get(name) {
            return *at;
        }
        let at = self.topics.len() as u32;
        self.topics.push(name.to_owned());
        self.topic_index.insert(name.to_owned(), at);
        at
    }

    pub fn begin(&self) -> Begun {
        Begun(self.buffer.len())
    }

    /// Forgets what was appended since.
    pub fn undo(&mut self, begun: Begun) {
        self.buffer.truncate(begun.0);
        self.headers.truncate(self.headers_from as usize);
    }

    /// How many bytes were appended since.
    pub fn since(&self, begun: Begun) -> usize {
        self.buffer.len() - begun.0
    }

    /// Forgets the record that was ended last, and began there; nothing where none did.
    pub fn take_back(&mut self, begun: Begun) {
        if let Some(last) = self.records.pop() {
            self.headers.truncate(last.headers.start as usize);
            self.headers_from = last.headers.start;
            self.buffer.truncate(begun.0);
        }
    }

    /// What was appended since `from`; none when it stands for null.
    pub fn span(&self, from: usize, some: bool) -> Span {
        some.then_some(from as u32..self.buffer.len() as u32)
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: Option<&[u8]>) -> Span {
        let from = self.buffer.len();
        self.buffer.extend_from_slice(bytes.unwrap_or_default());
        self.span(from, bytes.is_some())
    }

    /// A header of the record that is being made; its value has been appended.
    pub fn header(&mut self, name: &str, value: Span) {
        let name = self.bytes(Some(name.as_bytes())).expect("bytes were given");
        self.headers.push((name, value));
    }

    /// The headers of the record that is being made.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let of = &self.headers[self.headers_from as usize..];
        of.iter().map(|(name, value)| {
            let name = self.slice(&Some(name.clone())).unwrap_or_default();
            (std::str::from_utf8(name).unwrap_or_default(), self.slice(value))
        })
    }

    /// Ends a record.
    pub fn push(&mut self, meta: OutMeta, key: Span, value: Span) {
        let headers = self.headers_from..self.headers.len() as u32;
        self.headers_from = headers.end;
        let OutMeta { topic, partition, timestamp, origin } = meta;
        self.records.push(OutRecord { topic, partition, timestamp, key, value, headers, origin });
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What a part of the buffer holds. An empty one keeps a pointer into the buffer: for Kafka null is another thing.
    pub fn slice(&self, span: &Span) -> Option<&[u8]> {
        span.as_ref().map(|s| &self.buffer[s.start as usize..s.end as usize])
    }
}

/// A record that the log did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The caller's row that the record comes from.
    pub origin: u32,
    pub topic: String,
    pub code: RDKafkaErrorCode,
}

impl Refused {
    /// The record itself is at fault: the log takes others.
    pub fn is_data(&self) -> bool {
        use RDKafkaErrorCode as Code;
        matches!(
            self.code,
            Code::MessageSizeTooLarge | Code::InvalidRecord | Code::InvalidMessage | Code::InvalidTopic | Code::InvalidTimestamp
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undone_record_leaves_nothing() {
        let mut out = Outgoing::default();
        let topic = out.topic("a");
        let key = out.bytes(Some(b"k"));
        let value = out.bytes(None);
        out.header("h", None);
        out.push(OutMeta { topic, ..OutMeta::default() }, key, value);
        let begun = out.begin();
        out.bytes(Some(b"lost"));
        out.header("lost", None);
        out.undo(begun);
        let value = out.bytes(Some(b""));
        assert_eq!(out.topic("a"), topic);
        out.push(OutMeta { topic, origin: 2, ..OutMeta::default() }, None, value);
        let [first, second] = &out.records[..] else { panic!("two records") };
        assert_eq!((out.slice(&first.key), out.slice(&first.value), &first.headers), (Some(&b"k"[..]), None, &(0..1)));
        assert_eq!((out.slice(&second.key), out.slice(&second.value), &second.headers), (None, Some(&b""[..]), &(1..1)));
    }
}
