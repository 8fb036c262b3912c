//! From a batch of records to librdkafka's queue: one call a topic, values in place. All of the producer's unsafe code.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::bindings as rd;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;

use super::outgoing::{OutRecord, Outgoing};
use super::producer::Client;

/// A topic's handle in librdkafka.
#[derive(Clone, Copy)]
struct Handle(*mut rd::rd_kafka_topic_t);

// SAFETY: a topic handle is reference-counted and locked inside librdkafka, which allows any thread.
unsafe impl Send for Handle {}

/// The handles of a client's topics, made once each. None: the name cannot be a topic's.
#[derive(Default)]
pub(super) struct Topics(Mutex<HashMap<String, Option<Handle>>>);

impl Topics {
    fn get(&self, client: &Client, name: &str) -> Option<Handle> {
        let mut known = self.0.lock();
        if let Some(handle) = known.get(name) {
            return *handle;
        }
        let made = CString::new(name).ok().and_then(|c| {
            // SAFETY: the client is alive and librdkafka copies the name; the defaults are the client's.
            let p = unsafe { rd::rd_kafka_topic_new(client.producer.client().native_ptr(), c.as_ptr(), std::ptr::null_mut()) };
            (!p.is_null()).then_some(Handle(p))
        });
        known.insert(name.to_owned(), made);
        made
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        for handle in self.0.lock().drain().filter_map(|(_, h)| h) {
            // SAFETY: it is ours by rd_kafka_topic_new, and dropped once; messages in flight hold references of their own.
            unsafe { rd::rd_kafka_topic_destroy(handle.0) };
        }
    }
}

/// librdkafka's `RD_KAFKA_PARTITION_UA`.
const PARTITIONERS_CHOICE: i32 = -1;

/// What a call left over.
#[derive(Default)]
pub(super) struct Left {
    /// Records that found the queue full, in order.
    pub full: Vec<u32>,
    pub refused: Vec<(u32, RDKafkaErrorCode)>,
}

impl Left {
    fn add(&mut self, record: u32, code: RDKafkaErrorCode) {
        match code {
            RDKafkaErrorCode::QueueFull => self.full.push(record),
            _ => self.refused.push((record, code)),
        }
    }
}

/// The messages of one topic that are sent with one call.
#[derive(Default)]
struct Group {
    messages: Vec<rd::rd_kafka_message_t>,
    /// A record of this topic found the queue full: those behind it wait too, for their order.
    blocked: bool,
}

/// Keeps the lists that a batch needs. They are empty between calls.
#[derive(Default)]
pub(super) struct Enqueuer {
    groups: Vec<Group>,
}

// SAFETY: the messages' pointers live in `groups` only while `enqueue` runs.
unsafe impl Send for Enqueuer {}
unsafe impl Sync for Enqueuer {}

impl Enqueuer {
    /// Enqueues the records of `batch` (all, or those of `some`). The caller keeps `batch` until each is answered for.
    pub fn enqueue(&mut self, client: &Client, batch: &Outgoing, slot: u32, some: Option<&[u32]>) -> Left {
        let mut left = Left::default();
        if self.groups.len() < batch.topics.len() {
            self.groups.resize_with(batch.topics.len(), Group::default);
        }
        self.groups.iter_mut().for_each(|g| g.blocked = false);
        let all = 0..batch.records.len() as u32;
        match some {
            None => all.for_each(|i| self.add(client, batch, slot, i, &mut left)),
            Some(some) => some.iter().for_each(|i| self.add(client, batch, slot, *i, &mut left)),
        }
        for topic in 0..batch.topics.len() {
            self.send_group(client, batch, topic, &mut left);
        }
        // By topic, each in its order: only that must hold.
        left
    }

    fn add(&mut self, client: &Client, batch: &Outgoing, slot: u32, i: u32, left: &mut Left) {
        let record = &batch.records[i as usize];
        let topic = record.topic as usize;
        let message = message(batch, record, slot, i);
        if record.headers.is_empty() && record.timestamp.is_none() && record.partition.is_none() {
            self.groups[topic].messages.push(message);
            return;
        }
        // librdkafka's batches have neither headers nor timestamps, and lose track of a record whose partition there is
        // not. What came before in the topic goes first.
        self.send_group(client, batch, topic, left);
        let group = &mut self.groups[topic];
        let code = if group.blocked { RDKafkaErrorCode::QueueFull } else { send_one(client, batch, record, &message) };
        group.blocked |= code == RDKafkaErrorCode::QueueFull;
        if code != RDKafkaErrorCode::NoError {
            left.add(i, code);
        }
    }

    fn send_group(&mut self, client: &Client, batch: &Outgoing, topic: usize, left: &mut Left) {
        let group = &mut self.groups[topic];
        if group.messages.is_empty() {
            return;
        }
        let all_failed = match client.topics.get(client, &batch.topics[topic]) {
            _ if group.blocked => Some(RDKafkaErrorCode::QueueFull),
            None => Some(RDKafkaErrorCode::InvalidTopic),
            Some(handle) => {
                let (messages, n) = (group.messages.as_mut_ptr(), group.messages.len());
                // SAFETY: the handle is alive. Keys are copied; values are neither copied nor freed: they lie in `batch`,
                // which is held until each record is answered for.
                let taken = unsafe { rd::rd_kafka_produce_batch(handle.0, PARTITIONERS_CHOICE, 0, messages, n as i32) };
                if taken as usize == n {
                    group.messages.clear();
                    return;
                }
                None
            }
        };
        for m in group.messages.drain(..) {
            let code = all_failed.unwrap_or_else(|| m.err.into());
            if code != RDKafkaErrorCode::NoError {
                group.blocked |= code == RDKafkaErrorCode::QueueFull;
                left.add(m._private as usize as u32, code);
            }
        }
    }
}

/// Lets librdkafka send what it holds without lingering, for as long or until all is answered for. It blocks.
pub(super) fn send_now(client: &Client, within: Duration) {
    // SAFETY: the client is alive. Acknowledgements are taken by whoever polls it.
    unsafe { rd::rd_kafka_flush(client.producer.client().native_ptr(), within.as_millis() as i32) };
}

fn message(batch: &Outgoing, record: &OutRecord, slot: u32, i: u32) -> rd::rd_kafka_message_t {
    let (payload, len) = raw(batch.slice(&record.value));
    let (key, key_len) = raw(batch.slice(&record.key));
    rd::rd_kafka_message_t {
        err: rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: std::ptr::null_mut(),
        partition: record.partition.unwrap_or(PARTITIONERS_CHOICE),
        payload,
        len,
        key,
        key_len,
        offset: 0,
        _private: ((slot as usize) << 32 | i as usize) as *mut c_void,
    }
}

fn raw(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((std::ptr::null_mut(), 0), |b| (b.as_ptr() as *mut c_void, b.len()))
}

/// A record with headers or a timestamp of its own.
fn send_one(client: &Client, batch: &Outgoing, record: &OutRecord, m: &rd::rd_kafka_message_t) -> RDKafkaErrorCode {
    let Some(handle) = client.topics.get(client, &batch.topics[record.topic as usize]) else {
        return RDKafkaErrorCode::InvalidTopic;
    };
    use rd::rd_kafka_vtype_t as V;
    let headers = &batch.headers[record.headers.start as usize..record.headers.end as usize];
    // SAFETY: the handle is alive; the value lies in `batch` as for a group; names and values of headers are copied, and
    // their list is librdkafka's once the record is taken, else ours to free. The list of arguments ends with END.
    unsafe {
        let list = if headers.is_empty() { std::ptr::null_mut() } else { rd::rd_kafka_headers_new(headers.len()) };
        for (name, value) in headers {
            let (name, name_len) = raw(batch.slice(&Some(name.clone())));
            let (value, value_len) = raw(batch.slice(value));
            rd::rd_kafka_header_add(list, name.cast(), name_len as _, value, value_len as _);
        }
        let code = rd::rd_kafka_producev(
            client.producer.client().native_ptr(),
            V::RD_KAFKA_VTYPE_RKT,
            handle.0,
            V::RD_KAFKA_VTYPE_PARTITION,
            m.partition,
            V::RD_KAFKA_VTYPE_VALUE,
            m.payload,
            m.len,
            V::RD_KAFKA_VTYPE_KEY,
            m.key,
            m.key_len,
            V::RD_KAFKA_VTYPE_OPAQUE,
            m._private,
            V::RD_KAFKA_VTYPE_TIMESTAMP,
            record.timestamp.unwrap_or(0),
            V::RD_KAFKA_VTYPE_HEADERS,
            list,
            V::RD_KAFKA_VTYPE_END,
        );
        let code: RDKafkaErrorCode = code.into();
        if code != RDKafkaErrorCode::NoError && !list.is_null() {
            rd::rd_kafka_headers_destroy(list);
        }
        code
    }
}
