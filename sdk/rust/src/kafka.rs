//! The capability `kafka`: messages into topics of the worker's log that the configuration lists in `plugin.kafka.topics`, for a
//! transform in `transforms.<alias>.kafka.topics`. What a call sends is acknowledged before the offsets of its records are stored.
//!
//! Under `cargo test` messages are kept for [`sent`].

use crate::Error;
#[cfg(target_arch = "wasm32")]
use crate::bindings::host::millrace::plugin::kafka as host;
pub use crate::bindings::host::millrace::plugin::kafka::Message;

impl Message {
    /// A message without a key; its partition is the log's to choose.
    pub fn new(topic: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Message {
            topic: topic.into(),
            partition: None,
            key: None,
            value: Some(value.into()),
            headers: Vec::new(),
            timestamp_ms: None,
        }
    }
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }
    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }
}

/// Hands messages to the log, in their order: at most 10,000 and 16 MiB.
pub fn send(messages: &[Message]) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    return host::send(messages);
    #[cfg(not(target_arch = "wasm32"))]
    {
        native::SENT.with_borrow_mut(|sent| sent.extend_from_slice(messages));
        Ok(())
    }
}

/// Returns once all that this task has sent is acknowledged.
pub fn flush() -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    return host::flush();
    #[cfg(not(target_arch = "wasm32"))]
    Ok(())
}

/// What was sent in this thread, for tests; it is forgotten with that.
#[cfg(not(target_arch = "wasm32"))]
pub fn sent() -> Vec<Message> {
    native::SENT.take()
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;

    thread_local! {
        pub static SENT: RefCell<Vec<super::Message>> = RefCell::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_kept_for_tests() {
        send(&[Message::new("audit", "a").key("k").header("h", "v")]).unwrap();
        flush().unwrap();
        let sent = sent();
        assert_eq!((sent.len(), sent[0].key.as_deref(), sent[0].headers.len()), (1, Some(&b"k"[..]), 1));
        assert!(super::sent().is_empty());
    }
}
