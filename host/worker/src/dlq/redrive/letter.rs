//! A dead letter as the record that it was: the bytes that were consumed, and where from.

use rdkafka::message::{Header, Headers, OwnedHeaders, OwnedMessage};
use rdkafka::{Message, Timestamp};

/// What the headers of a redriven record that failed again say of where it comes from.
pub const REDRIVE: [&str; 3] = ["dlq.redrive.queue", "dlq.redrive.position", "dlq.redrive.job"];
const CONNECT: &str = "__connect.errors.";
const DLQ: &str = "dlq.";

/// Where a record was consumed from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl Origin {
    /// A record from there, of which nothing else is told.
    pub fn place(&self) -> OwnedMessage {
        OwnedMessage::new(None, None, self.topic.clone(), Timestamp::NotAvailable, self.partition, self.offset, None)
    }
}

/// The connector that a dead letter says that it failed in.
pub fn connector(m: &impl Message) -> Option<&str> {
    last(m, "__connect.errors.connector.name").or_else(|| last(m, "dlq.sink_id"))
}

/// Where a dead letter says that it was consumed from.
pub fn origin(m: &impl Message) -> Option<Origin> {
    let of = |topic: &str, partition: &str, offset: &str| {
        Some(Origin {
            topic: last(m, topic)?.to_owned(),
            partition: last(m, partition)?.parse().ok()?,
            offset: last(m, offset)?.parse().ok()?,
        })
    };
    of("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset")
        .or_else(|| of("dlq.source_topic", "dlq.source_partition", "dlq.source_offset"))
}

/// The last header of a name, which counts.
fn last<'a>(m: &'a impl Message, name: &str) -> Option<&'a str> {
    let headers = m.headers()?;
    let found = headers.iter().filter(|h| h.key == name).last()?;
    std::str::from_utf8(found.value?).ok()
}

/// How many headers the record had when it was consumed. Those of its death stand behind them: Connect's, then `dlq.*`, each
/// name once. One that was a dead letter of another connector before keeps what that one wrote.
fn consumed(m: &impl Message, connector: &str) -> usize {
    let Some(headers) = m.headers() else { return 0 };
    let mut left = headers.count();
    for (family, whose) in [(DLQ, "dlq.sink_id"), (CONNECT, "__connect.errors.connector.name")] {
        let (mut seen, mut from, mut ours) = (Vec::new(), left, true);
        while from > 0 {
            let h = headers.get(from - 1);
            if !h.key.starts_with(family) || seen.contains(&h.key) {
                break;
            }
            ours &= h.key != whose || h.value == Some(connector.as_bytes());
            seen.push(h.key);
            from -= 1;
        }
        if ours {
            left = from;
        }
    }
    left
}

/// The record as it was consumed, at the place `at`.
pub fn record(m: &impl Message, connector: &str, at: Origin) -> OwnedMessage {
    let mut headers = OwnedHeaders::new();
    for h in m.headers().into_iter().flat_map(|h| h.iter()).take(consumed(m, connector)) {
        headers = headers.insert(Header { key: h.key, value: h.value });
    }
    let headers = (headers.count() > 0).then_some(headers);
    let bytes = |b: Option<&[u8]>| b.map(<[u8]>::to_vec);
    OwnedMessage::new(bytes(m.payload()), bytes(m.key()), at.topic, m.timestamp(), at.partition, at.offset, headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(headers: &[(&str, &str)]) -> OwnedMessage {
        let all = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        OwnedMessage::new(Some(b"v".to_vec()), None, "q".into(), Timestamp::CreateTime(7), 0, 5, Some(all))
    }

    fn kept(headers: &[(&str, &str)]) -> Vec<String> {
        let at = Origin { topic: "t".into(), partition: 2, offset: 9 };
        let record = record(&letter(headers), "sink", at);
        assert_eq!((record.topic(), record.partition(), record.offset()), ("t", 2, 9));
        record.headers().map(|h| h.iter().map(|h| h.key.to_owned()).collect()).unwrap_or_default()
    }

    #[test]
    fn the_headers_of_its_death_are_taken_off_and_no_others() {
        let connect = [("__connect.errors.topic", "t"), ("__connect.errors.connector.name", "sink")];
        let dlq = [("dlq.source_topic", "t"), ("dlq.sink_id", "sink"), ("dlq.redrive.job", "1")];
        assert_eq!(kept(&[&[("a", "1")][..], &connect, &dlq].concat()), ["a"]);
        assert_eq!(kept(&[&connect[..], &[("a", "1")]].concat()).len(), 3, "they were there before");
        // Of an earlier death in the same connector.
        assert_eq!(kept(&[&connect[..], &connect].concat()), ["__connect.errors.topic", "__connect.errors.connector.name"]);
        // Another connector's dead letter was consumed, and only `dlq` is written here.
        let other = [("__connect.errors.connector.name", "other")];
        assert_eq!(kept(&[&other[..], &dlq].concat()), ["__connect.errors.connector.name"]);
        assert_eq!(kept(&[]), [""; 0]);
    }

    #[test]
    fn a_letter_says_where_it_was_consumed() {
        let of = |all: &[(&str, &str)]| (origin(&letter(all)), connector(&letter(all)).map(str::to_owned));
        let dlq = [("dlq.source_topic", "t"), ("dlq.source_partition", "2"), ("dlq.source_offset", "9"), ("dlq.sink_id", "s")];
        let at = Some(Origin { topic: "t".into(), partition: 2, offset: 9 });
        assert_eq!(of(&dlq), (at, Some("s".into())));
        assert_eq!(of(&dlq[..2]), (None, None));
    }
}
