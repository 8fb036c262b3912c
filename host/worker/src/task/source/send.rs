//! From a polled batch to records of the log: transforms, converters, producer.

use std::collections::HashSet;
use std::sync::Arc;

use millrace_record::row::{Batch as View, Record};
use millrace_record::{TaskError, Wake};
use rdkafka::message::OwnedHeaders;
use tokio::sync::mpsc;

use super::commit::Sent;
use super::{Taken, latest};
use crate::errors::Stage;
use crate::errors::tolerance::Tolerance;
use crate::kafka::producer::{InFlight, LogProducer, Outgoing, header};
use crate::task::converters::Converters;
use crate::task::supervise::{Failure, Task};
use crate::transforms::{Chain, Transformed};

pub(super) async fn run(
    task: Arc<Task>,
    converters: Converters,
    chain: Chain,
    producer: LogProducer,
    mut taken: mpsc::Receiver<Taken>,
    sent: mpsc::Sender<Sent>,
    wake: Wake,
) -> Result<(), Failure> {
    let mut sender = Sender { task, converters, chain, producer, buffers: Buffers::default(), topics: HashSet::new() };
    let result = async {
        while let Some(t) = taken.recv().await {
            let Some(batch) = sender.send(t).await? else { continue };
            if sent.send(batch).await.is_err() {
                // `commit` has ended and says why.
                break;
            }
        }
        Ok(())
    }
    .await;
    sender.chain.close().await;
    // The poller learns of the end at its next hand-over; a wait of the plugin's must not delay that.
    wake.raise();
    drop(taken);
    // Dropping the producer would purge what the log has yet to acknowledge.
    sender.producer.flush(sender.task.settings.flush_timeout).await;
    result
}

#[derive(Default)]
struct Buffers {
    key: Vec<u8>,
    value: Vec<u8>,
    header: Vec<u8>,
}

struct Sender {
    task: Arc<Task>,
    converters: Converters,
    chain: Chain,
    producer: LogProducer,
    buffers: Buffers,
    /// Topics that the herder knows of.
    topics: HashSet<String>,
}

impl Sender {
    async fn send(&mut self, taken: Taken) -> Result<Option<Sent>, Failure> {
        let n = taken.polled.records.len();
        let Some(done) = self.transform(&taken).await? else { return Ok(None) };
        let in_flight = InFlight::new();
        let mut skipped = 0;
        for f in &done.failed {
            self.tolerate(Stage::Transformation, TaskError::fatal(f.code.clone(), f.message.clone()))?;
            skipped += 1;
        }
        let filtered = done.filtered(n);
        let view = done.records.view();
        self.announce(&view);
        for record in view.iter() {
            if let Err((stage, error)) = self.convert(&view, &record) {
                self.tolerate(stage, error)?;
                skipped += 1;
                continue;
            }
            self.produce(&view, &record, &in_flight).await?;
        }
        self.producer.seal(&in_flight);
        let counters = &self.task.counters;
        counters.filtered.add(filtered);
        counters.skipped.add(skipped);
        counters.written.add(view.len() as u64);
        let produced = (n as u64).saturating_sub(filtered + skipped);
        Ok(Some(Sent { in_flight, offsets: latest(taken.polled.marks), records: n as u64, produced }))
    }

    /// Retries the whole batch where that may help. None: the task stops.
    async fn transform(&mut self, taken: &Taken) -> Result<Option<Transformed>, Failure> {
        loop {
            match self.chain.apply(taken.polled.records.clone()).await {
                Ok(done) => return Ok(Some(done)),
                Err(error) => {
                    self.task.counters.errors.add(1);
                    if let Some(failure) = self.task.wait_to_retry(Failure::new("transforms", "apply", error)).await {
                        return Err(failure);
                    }
                    if self.task.stopping() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn announce(&mut self, view: &View<'_>) {
        for topic in view.topics() {
            if !self.topics.contains(*topic) {
                self.topics.insert((*topic).to_owned());
                self.task.runtime.events.active_topic(&self.task.spec.id, topic);
            }
        }
    }

    /// Fills the buffers with key and value. An empty `Option` is told apart by [`Record::key`] and the converter.
    fn convert(&mut self, view: &View<'_>, record: &Record<'_>) -> Result<(), (Stage, TaskError)> {
        let topic = view.topic_of(record);
        let fail = |stage: Stage, e: millrace_record::convert::ConvertError| {
            (stage, TaskError::fatal("convert", format!("{stage} of topic \"{topic}\": {e}")))
        };
        let b = &mut self.buffers;
        b.key.clear();
        b.value.clear();
        let key =
            self.converters.key.encode(topic, record.key_schema().filter(|_| record.key().is_some()), record.key(), &mut b.key);
        let some_key = key.map_err(|e| fail(Stage::KeyConverter, e))?;
        // A tombstone is null whatever its schema: Connect's sources send it with no schema.
        let schema = record.value_schema().filter(|_| record.value().is_some());
        let value = self.converters.value.encode(topic, schema, record.value(), &mut b.value);
        let some_value = value.map_err(|e| fail(Stage::ValueConverter, e))?;
        debug_assert!(some_key || b.key.is_empty());
        debug_assert!(some_value || b.value.is_empty());
        Ok(())
    }

    async fn produce(&mut self, view: &View<'_>, record: &Record<'_>, in_flight: &Arc<InFlight>) -> Result<(), Failure> {
        let topic = view.topic_of(record);
        let mut headers: Option<OwnedHeaders> = None;
        for h in record.headers() {
            self.buffers.header.clear();
            let some = self.converters.header.encode(topic, h.schema, h.value, &mut self.buffers.header);
            let some =
                some.map_err(|e| Failure::new("header converter", "convert", TaskError::fatal("convert", e.to_string())))?;
            let bytes = some.then_some(self.buffers.header.as_slice());
            headers = Some(header(headers.unwrap_or_default(), h.name, bytes));
        }
        let (key, value) = (&self.buffers.key, &self.buffers.value);
        self.task.counters.bytes.add((key.len() + value.len()) as u64);
        let outgoing = Outgoing {
            topic,
            partition: record.partition(),
            timestamp: record.timestamp(),
            key: (record.key().is_some() || !key.is_empty()).then_some(key),
            value: (record.value().is_some() || !value.is_empty()).then_some(value),
            headers,
        };
        self.producer.send(outgoing, in_flight).await.map_err(|e| Failure::new("producer", "send", e))
    }

    /// A record that cannot be handled is skipped when tolerance says so, else it fails the task.
    fn tolerate(&self, stage: Stage, error: TaskError) -> Result<(), Failure> {
        let (counters, errors) = (&self.task.counters, &self.task.settings.errors);
        counters.errors.add(1);
        counters.failures.add(1);
        if errors.log {
            counters.errors_logged.add(1);
            tracing::error!(%stage, %error, "record failed");
        }
        match errors.tolerance {
            Tolerance::All => Ok(()),
            Tolerance::None => Err(Failure::new(stage.name(), "convert", error)),
        }
    }
}
