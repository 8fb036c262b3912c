//! The way in: messages taken from the consumer and decoded into batches, one ahead of what is being put, so that the
//! destination's time is not ours to wait.

use std::collections::HashSet;
use std::sync::Arc;

use futures::FutureExt;
use millrace_record::convert::Wait;
use millrace_record::row::BatchWriter;
use millrace_record::{Batch, ErrorKind, TaskError};
use rdkafka::Message;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use tokio::time::{Instant, sleep_until};

use super::SLOW_PUT;
use super::batch::Errant;
use crate::errors::Stage;
use crate::kafka::consumer::LogConsumer;
use crate::task::Target;
use crate::task::converters::{Converters, Undecoded, not_at_hand};
use crate::task::schema_gate::{Doorman, Passage, SchemaGate};
use crate::task::supervise::{Failure, Task};

/// How many messages are decoded between two looks at what else there is to do.
const DECODE_AT_ONCE: usize = 256;

/// A batch on its way to the plugin. Row `i` of `records` is message `rows[i]`.
pub(super) struct Decoded<'a> {
    pub messages: Vec<BorrowedMessage<'a>>,
    pub records: Batch,
    pub rows: Vec<usize>,
    pub errant: Vec<Errant>,
}

pub(super) struct Intake<'a> {
    pub task: Arc<Task>,
    pub consumer: &'a LogConsumer,
    pub converters: Converters,
    known_topics: HashSet<String>,
    /// Taken from the consumer, and decoded as far as `half` says.
    taken: Vec<BorrowedMessage<'a>>,
    half: Option<Half>,
    /// The consumer may be paused for a long wait of a converter's.
    held: bool,
    door: Option<Doorman>,
    /// The task is to stop: nothing is taken any more.
    refused: Option<Failure>,
}

/// How far the decoding of what was taken has come.
enum Progress {
    Done,
    More,
    /// At the message that comes next a converter waits for what it needs.
    Wait(Stage, Wait),
    /// The message that comes next has a schema that the task is to stop at.
    Refused(Failure),
}

/// A batch being decoded.
struct Half {
    writer: BatchWriter,
    rows: Vec<usize>,
    errant: Vec<Errant>,
    at: usize,
}

impl<'a> Intake<'a> {
    pub fn new(task: Arc<Task>, consumer: &'a LogConsumer, converters: Converters, gate: Option<Arc<dyn SchemaGate>>) -> Self {
        Intake {
            task,
            consumer,
            converters,
            known_topics: HashSet::new(),
            taken: Vec::new(),
            half: None,
            held: false,
            door: gate.map(Doorman::new),
            refused: None,
        }
    }

    /// The next batch. None: the assignment changed, which is to be dealt with before anything that came since is decoded.
    /// May be dropped while it waits: nothing that was taken is lost.
    pub async fn next(&mut self) -> Result<Option<Decoded<'a>>, Failure> {
        if self.refused.is_some() {
            return Ok(None);
        }
        while self.taken.is_empty() {
            let first = self.consumer.consumer.recv().await;
            self.take(first)?;
        }
        if self.half.is_none() && self.consumer.has_rebalanced() {
            return Ok(None);
        }
        loop {
            match self.decode_some() {
                Progress::Done => break,
                Progress::More => tokio::task::yield_now().await,
                Progress::Wait(stage, wait) => self.wait(stage, wait).await?,
                // What is before it is put still; it and what is behind it have not been read.
                Progress::Refused(failure) => {
                    self.refused = Some(failure);
                    self.taken.truncate(self.half.as_ref().map_or(0, |h| h.at));
                    break;
                }
            }
        }
        self.release();
        if self.refused.is_some() && self.taken.is_empty() {
            return Ok(None);
        }
        let messages = std::mem::take(&mut self.taken);
        let Half { writer, rows, errant, .. } = self.half.take().unwrap_or_else(|| Half::new(&[]));
        Ok(Some(Decoded { messages, records: Batch::trusted(writer), rows, errant }))
    }

    /// Why the task is to stop, once all that came before has been handed on.
    pub fn refused(&mut self) -> Option<Failure> {
        let found = self.door.as_ref().and_then(Doorman::refusal);
        self.refused.take().or_else(|| found.map(|why| refusal(Stage::ValueConverter, why)))
    }

    /// What was taken and has not been handed on.
    pub fn take_back(&mut self) -> Vec<BorrowedMessage<'a>> {
        self.half = None;
        self.release();
        std::mem::take(&mut self.taken)
    }

    /// The first message and all that are at hand, up to a batch.
    fn take(&mut self, first: Result<BorrowedMessage<'a>, KafkaError>) -> Result<(), Failure> {
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Ok(m) => {
                    bytes += m.payload_len() + m.key_len();
                    self.taken.push(m);
                }
                Err(e) => self.consume_failed(&e)?,
            }
            let settings = &self.task.settings;
            let full = self.taken.len() >= settings.batch_records as usize || bytes >= settings.batch_bytes as usize;
            next = if full { None } else { self.consumer.consumer.recv().now_or_never() };
        }
        self.task.counters.bytes.add(bytes as u64);
        if !self.taken.is_empty() {
            self.task.counters.read_batch(self.taken.len() as u64);
        }
        Ok(())
    }

    /// librdkafka goes on by itself after most errors; those that need somebody end the session.
    pub fn consume_failed(&self, error: &KafkaError) -> Result<(), Failure> {
        use rdkafka::error::RDKafkaErrorCode as Code;
        let kind = match error.rdkafka_error_code() {
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => ErrorKind::Fatal,
            Some(Code::Fatal | Code::OffsetOutOfRange | Code::AutoOffsetReset) => ErrorKind::Restart,
            // The consumer has said it.
            _ => return Ok(()),
        };
        self.task.counters.failures.add(1);
        Err(Failure::new("consumer", "poll", TaskError::new(kind, "kafka.consume", format!("cannot consume: {error}"))))
    }

    /// Waits for what a converter needs, with back-off while it cannot be had. The member stays in its group however long that
    /// takes: the consumer is paused and polled.
    async fn wait(&mut self, stage: Stage, wait: Wait) -> Result<(), Failure> {
        let (task, consumer) = (self.task.clone(), self.consumer);
        let slow_at = Instant::now() + SLOW_PUT;
        // Whoever dropped an earlier wait may have resumed it.
        self.held = false;
        let waited = async {
            let Err(unavailable) = task.counters.pulse.during("a converter's question", wait).await else { return Ok(()) };
            task.counters.failures.add(1);
            task.wait_to_retry(not_at_hand(stage, unavailable)).await.map_or(Ok(()), Err)
        };
        tokio::pin!(waited);
        loop {
            tokio::select! {
                biased;
                waited = &mut waited => return waited,
                _ = sleep_until(slow_at), if !self.held => {
                    consumer.pause(true);
                    self.held = true;
                }
                // Paused, it gives events, and what was on its way.
                message = consumer.consumer.recv(), if self.held => match message {
                    Ok(m) => self.taken.push(m),
                    Err(e) => self.consume_failed(&e)?,
                },
            }
        }
    }

    fn release(&mut self) {
        // The operator's pause goes on.
        if std::mem::take(&mut self.held) && self.task.target() != Target::Paused {
            self.consumer.pause(false);
        }
    }

    /// Decodes some of what was taken, straight into one batch.
    fn decode_some(&mut self) -> Progress {
        let half = self.half.get_or_insert_with(|| Half::new(&self.taken));
        let end = self.taken.len().min(half.at + DECODE_AT_ONCE);
        for (i, m) in self.taken.iter().enumerate().take(end).skip(half.at) {
            let topic = m.topic();
            if !self.known_topics.contains(topic) {
                self.known_topics.insert(topic.to_owned());
                self.task.runtime.events.active_topic(&self.task.spec.id, topic);
            }
            if let Some((key, answer)) = self.door.as_mut().and_then(|d| d.ask(topic, m.key(), m.payload())) {
                half.at = i;
                let stage = if key { Stage::KeyConverter } else { Stage::ValueConverter };
                match answer {
                    Passage::Pass => {}
                    Passage::Wait(wait) => return Progress::Wait(stage, wait),
                    Passage::Refused(why) => return Progress::Refused(refusal(stage, why)),
                }
            }
            match self.converters.decode(m, &mut half.writer) {
                Ok(()) => half.rows.push(i),
                Err(Undecoded::Wait(stage, wait)) => {
                    half.at = i;
                    return Progress::Wait(stage, wait);
                }
                Err(Undecoded::Failed(stage, e)) => {
                    half.errant.push(Errant::unconverted(i, stage, self.converters.class(stage), e));
                }
            }
        }
        half.at = end;
        if end == self.taken.len() { Progress::Done } else { Progress::More }
    }
}

/// The task stops at a schema: an operator is to look at it.
fn refusal(stage: Stage, why: String) -> Failure {
    Failure::new(stage.name(), "convert", TaskError::fatal("schema.incompatible", why)).decided()
}

impl Half {
    fn new(messages: &[BorrowedMessage<'_>]) -> Self {
        let bytes = messages.iter().map(|m| m.payload_len() + m.key_len() + 256).sum();
        Half { writer: BatchWriter::with_capacity(bytes), rows: Vec::with_capacity(messages.len()), errant: Vec::new(), at: 0 }
    }
}
