//! Fetch: plan what to send, wait until there is enough, answer with parts of the log files.
//!
//! The response is encoded here, because its records go from the files to the socket and never through the codec.
//! Fetch sessions are not offered: the client is told so by session id 0 and names its partitions each time.

use super::{Context, RecordsPart};
use crate::log::{Bounds, Partition, ReadError, Slice};
use bytes::{BufMut, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Longer waits are cut to this.
const WAIT_MAX: Duration = Duration::from_secs(300);

struct Asked {
    index: i32,
    offset: i64,
    bytes_max: u64,
    partition: Option<Arc<Partition>>,
}

struct Answer {
    error: i16,
    bounds: Bounds,
    aborted: Vec<(i64, i64)>,
    slice: Option<Slice>,
}

const NO_BOUNDS: Bounds = Bounds { start: -1, next: -1, last_stable: -1 };

/// Leaves the partitions it waited for, however the wait ends.
struct Waiting<'a> {
    tickets: Vec<(&'a Partition, u64)>,
}

impl<'a> Waiting<'a> {
    fn join(asked: &'a [(String, Vec<Asked>)], waiter: &Arc<Notify>) -> Self {
        let partitions = asked.iter().flat_map(|(_, asked)| asked).filter_map(|asked| asked.partition.as_deref());
        Self { tickets: partitions.map(|partition| (partition, partition.waiters.join(waiter))).collect() }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.tickets.iter().for_each(|(partition, ticket)| partition.waiters.leave(*ticket));
    }
}

pub async fn fetch(context: &Context<'_>, request: FetchRequest) -> Vec<RecordsPart> {
    if request.session_id != 0 {
        return vec![head(context.version, ResponseError::FetchSessionIdNotFound.code(), 0)];
    }
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64).min(WAIT_MAX);
    let deadline = Instant::now() + wait;
    let bytes_max = (request.max_bytes.max(0) as u64).min(context.shared.config.limits.fetch_bytes_max);
    let bytes_min = request.min_bytes.max(0) as u64;
    let committed = request.isolation_level == 1;
    let asked: Vec<(String, Vec<Asked>)> = request
        .topics
        .iter()
        .map(|wanted| {
            let topic = context.shared.topics.get(&wanted.topic);
            let asked = wanted.partitions.iter().map(|wanted| Asked {
                index: wanted.partition,
                offset: wanted.fetch_offset,
                bytes_max: wanted.partition_max_bytes.max(0) as u64,
                partition: topic.as_ref().and_then(|topic| topic.partition(wanted.partition)),
            });
            (wanted.topic.to_string(), asked.collect())
        })
        .collect();
    let waiter = Arc::new(Notify::new());
    let mut waiting = None;
    loop {
        let (answers, bytes, failed) = plan(&asked, bytes_max, committed);
        if failed || bytes >= bytes_min || Instant::now() >= deadline {
            return encode(context.version, committed, &asked, answers);
        }
        if waiting.is_none() {
            // What came between the look and the joining would not wake us: look once more.
            waiting = Some(Waiting::join(&asked, &waiter));
            continue;
        }
        let mut stopping = context.shared.stopping.clone();
        tokio::select! {
            () = waiter.notified() => {}
            () = tokio::time::sleep_until(deadline) => {}
            _ = stopping.changed() => {}
        }
        waiting = None;
    }
}

fn plan(asked: &[(String, Vec<Asked>)], bytes_max: u64, committed: bool) -> (Vec<Answer>, u64, bool) {
    let (mut answers, mut bytes, mut failed) = (Vec::new(), 0, false);
    for asked in asked.iter().flat_map(|(_, asked)| asked) {
        let answer = plan_one(asked, bytes_max.saturating_sub(bytes), bytes == 0, committed);
        bytes += answer.slice.as_ref().map_or(0, |slice| slice.bytes);
        failed |= answer.error != 0;
        answers.push(answer);
    }
    (answers, bytes, failed)
}

fn plan_one(asked: &Asked, bytes_left: u64, is_first: bool, committed: bool) -> Answer {
    let fail = |error: ResponseError, bounds| Answer { error: error.code(), bounds, aborted: Vec::new(), slice: None };
    let Some(partition) = &asked.partition else { return fail(ResponseError::UnknownTopicOrPartition, NO_BOUNDS) };
    match partition.plan_read(asked.offset, asked.bytes_max.min(bytes_left), is_first, committed) {
        Ok(plan) => Answer {
            error: 0,
            bounds: plan.bounds,
            aborted: plan.aborted.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect(),
            slice: plan.slice,
        },
        Err(ReadError::OutOfRange(bounds)) => fail(ResponseError::OffsetOutOfRange, bounds),
        Err(ReadError::Io(error)) => {
            if !partition.dir().exists() {
                return fail(ResponseError::UnknownTopicOrPartition, NO_BOUNDS);
            }
            tracing::error!(%error, topic = %partition.topic, partition = partition.index, "cannot read the log");
            fail(ResponseError::KafkaStorageError, NO_BOUNDS)
        }
    }
}

fn head(version: i16, error: i16, topics: usize) -> RecordsPart {
    let mut head = BytesMut::with_capacity(256);
    head.put_i32(0); // throttle time
    if version >= 7 {
        head.put_i16(error);
        head.put_i32(0); // session id: none
    }
    head.put_i32(topics as i32);
    RecordsPart { head, slice: None }
}

fn encode(version: i16, committed: bool, asked: &[(String, Vec<Asked>)], answers: Vec<Answer>) -> Vec<RecordsPart> {
    let mut parts = vec![head(version, 0, asked.len())];
    let mut answers = answers.into_iter();
    for (topic, asked) in asked {
        let mut out = parts.pop().filter(|part| part.slice.is_none()).map_or_else(BytesMut::new, |part| part.head);
        out.put_i16(topic.len() as i16);
        out.put_slice(topic.as_bytes());
        out.put_i32(asked.len() as i32);
        parts.push(RecordsPart { head: out, slice: None });
        for (asked, answer) in asked.iter().zip(answers.by_ref()) {
            let last = parts.last_mut().expect("a part was pushed");
            if last.slice.is_some() {
                parts.push(RecordsPart { head: BytesMut::new(), slice: None });
            }
            let last = parts.last_mut().expect("a part was pushed");
            encode_partition(version, committed, asked.index, &answer, &mut last.head);
            last.slice = answer.slice;
        }
        if parts.last().is_some_and(|part| part.slice.is_some()) {
            parts.push(RecordsPart { head: BytesMut::new(), slice: None });
        }
    }
    parts
}

fn encode_partition(version: i16, committed: bool, index: i32, answer: &Answer, out: &mut BytesMut) {
    out.put_i32(index);
    out.put_i16(answer.error);
    out.put_i64(answer.bounds.next);
    out.put_i64(answer.bounds.last_stable);
    if version >= 5 {
        out.put_i64(answer.bounds.start);
    }
    if committed {
        out.put_i32(answer.aborted.len() as i32);
        for (producer_id, first_offset) in &answer.aborted {
            out.put_i64(*producer_id);
            out.put_i64(*first_offset);
        }
    } else {
        out.put_i32(-1);
    }
    if version >= 11 {
        out.put_i32(-1); // preferred read replica: none
    }
    out.put_i32(answer.slice.as_ref().map_or(0, |slice| slice.bytes) as i32);
}
