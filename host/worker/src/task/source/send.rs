//! From a polled batch to records of the log: transforms, converters, producer.

use std::collections::HashSet;
use std::sync::Arc;

use millrace_record::convert::{NotConverted, Wait};
use millrace_record::row::{Batch as View, Record};
use millrace_record::{Batch as Records, Mark, Polled, TaskError, Wake};
use tokio::sync::mpsc;

use super::commit::{Batch, PRODUCE_CLASS};
use super::letters::{Letters, position};
use super::outlet::{Boundary, Outlet, Writing};
use super::tolerate::tolerate;
use super::topics::TopicMaker;
use super::{Taken, latest};
use crate::errors::Stage;
use crate::errors::context::{CONNECT_EXCEPTION, Cause, DATA_EXCEPTION};
use crate::kafka::outgoing::{OutMeta, Outgoing};
use crate::task::Unsaved;
use crate::task::converters::{Converters, not_at_hand};
use crate::task::schema_gate::{Doorman, SchemaGate};
use crate::task::supervise::{Failure, Task};
use crate::transforms::{Chain, Transformed};

/// Encoded bytes after which what there is of a batch is sent, while the rest is encoded.
const PART_BYTES: usize = 900 << 10;

/// What a record goes through.
pub(super) struct Way {
    pub converters: Converters,
    pub chain: Chain,
    pub gate: Option<Arc<dyn SchemaGate>>,
    pub maker: Option<TopicMaker>,
    pub letters: Option<Letters>,
    pub outlet: Arc<Outlet>,
}

pub(super) async fn run(
    task: Arc<Task>,
    way: Way,
    mut taken: mpsc::Receiver<Taken>,
    sent: mpsc::Sender<Batch>,
    wake: Wake,
) -> Result<(), Failure> {
    let Way { converters, chain, gate, maker, letters, outlet } = way;
    let door = gate.map(Doorman::new);
    let mut sender = Sender { task, converters, door, chain, maker, letters, outlet, topics: HashSet::new() };
    let result = async {
        loop {
            let polled = tokio::select! {
                polled = taken.recv() => polled,
                // `commit` has ended and says why, though no further batch may come.
                _ = sent.closed() => None,
            };
            let Some(polled) = polled else { break };
            for part in parts(polled, sender.outlet.boundary) {
                let batch = tokio::select! {
                    batch = sender.send(part) => batch?,
                    // Whatever it waits for: nobody stores offsets for it any more.
                    _ = sent.closed() => None,
                };
                // What was not sent comes again; a later batch would take the offsets past it.
                let Some(batch) = batch else { return Ok(()) };
                if sent.send(batch).await.is_err() {
                    return Ok(());
                }
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
    sender.outlet.flush(sender.task.settings.flush_timeout).await;
    result
}

/// With `transaction.boundary=connector` a poll is cut behind the last transaction of the source that ends in it. What the source
/// changed in its state goes with the end of the poll.
fn parts(taken: Taken, boundary: Option<Boundary>) -> impl Iterator<Item = Taken> {
    let Taken { polled, unsaved } = taken;
    let Polled { records, mut marks, idle } = polled;
    let end = marks.iter().rposition(|m| m.boundary).filter(|_| boundary == Some(Boundary::Connector));
    let end = end.map(|at| (at + 1, marks[at].through)).filter(|(_, through)| (*through as usize) < records.len());
    let Some((through_marks, through)) = end else {
        let whole = Taken { polled: Polled { records, marks, idle }, unsaved };
        return [None, Some(whole)].into_iter().flatten();
    };
    let rest = marks.split_off(through_marks);
    let rest = rest.into_iter().map(|m| Mark { through: m.through - through, ..m }).collect();
    let cut = |from: u32, to: u32| records.select(&(from..to).collect::<Vec<_>>());
    let first = Polled { records: cut(0, through), marks, idle: None };
    let last = Polled { records: cut(through, records.len() as u32), marks: rest, idle };
    let first = Taken { polled: first, unsaved: Unsaved::default() };
    [Some(first), Some(Taken { polled: last, unsaved })].into_iter().flatten()
}

/// What is said of a failure where nobody says more.
fn failed<'a>(stage: Stage, class: &'a str, error: &'a TaskError) -> Cause<'a> {
    Cause { stage, class, exception: CONNECT_EXCEPTION, code: &error.code, message: &error.message, detail: None }
}

/// Waits for what a converter needs, with back-off while it cannot be had. False: the task stops.
async fn wait(task: &Task, stage: Stage, wait: Wait) -> Result<bool, Failure> {
    let waited = tokio::select! {
        waited = wait => waited,
        _ = task.stopped() => return Ok(false),
    };
    if let Err(unavailable) = waited {
        let failure = not_at_hand(stage, unavailable);
        task.counters.failures.add(1);
        if let Some(failure) = task.wait_to_retry(failure).await {
            return Err(failure);
        }
    }
    Ok(!task.stopping())
}

struct Sender {
    task: Arc<Task>,
    converters: Converters,
    door: Option<Doorman>,
    chain: Chain,
    maker: Option<TopicMaker>,
    letters: Option<Letters>,
    outlet: Arc<Outlet>,
    /// Topics that the herder knows of.
    topics: HashSet<String>,
}

impl Sender {
    /// None: the task stops.
    async fn send(&mut self, taken: Taken) -> Result<Option<Batch>, Failure> {
        let n = taken.polled.records.len();
        let Some(done) = self.transform(&taken).await? else { return Ok(None) };
        let last = taken.polled.marks.last().filter(|m| m.through as usize >= n);
        let (covered, boundary) = (last.is_some(), last.is_some_and(|m| m.boundary));
        let Polled { records: polled, marks, .. } = taken.polled;
        // Only letters say where each record is.
        let places = if self.letters.is_some() { marks.clone() } else { Vec::new() };
        let (offsets, unsaved) = (latest(marks), taken.unsaved);
        let mut batch = Batch { offsets, covered, boundary, unsaved, records: n as u64, ..Batch::default() };
        self.chain.keep(&mut batch.unsaved);
        for f in &done.failed {
            let error = TaskError::fatal(f.code.clone(), f.message.clone());
            let cause = Cause { exception: DATA_EXCEPTION, message: &f.cause, ..failed(Stage::Transformation, &f.class, &error) };
            self.pass(&polled, &places, f.row, &cause, "apply", error.clone(), &mut batch).await?;
        }
        batch.filtered = done.filtered(n);
        let view = done.records.view();
        if !self.announce(view.topics()).await? {
            return Ok(None);
        }
        let outlet = self.outlet.clone();
        let mut writing = outlet.batch(boundary).await?;
        let mut out = Outgoing::with_capacity(view.len(), PART_BYTES.min(2 * done.records.bytes().len()));
        for (i, record) in view.iter().enumerate() {
            let begun = out.begin();
            let origin = done.origin_of(i);
            while let Err((stage, refused)) = self.encode(&view, &record, origin, &mut out) {
                out.undo(begun);
                match refused {
                    NotConverted::Wait(until) => {
                        if !wait(&self.task, stage, until).await? {
                            return Ok(None);
                        }
                    }
                    NotConverted::Failed(e) => {
                        let text = format!("{stage} of topic \"{}\": {e}", view.topic_of(&record));
                        let (class, error) = (self.converters.class(stage).to_owned(), TaskError::fatal("convert", text));
                        let cause = Cause {
                            exception: e.class,
                            message: &e.message,
                            detail: e.cause.as_deref(),
                            ..failed(stage, &class, &error)
                        };
                        self.pass(&polled, &places, origin, &cause, "convert", error.clone(), &mut batch).await?;
                        break;
                    }
                }
            }
            // Left to the producer, it would be lost but for its number.
            if let Some(why) = self.letters.as_ref().and_then(|l| l.too_large(out.since(begun))) {
                out.take_back(begun);
                let error = TaskError::fatal("kafka.produce", format!("topic \"{}\": {why}", view.topic_of(&record)));
                let cause = failed(Stage::KafkaProduce, PRODUCE_CLASS, &error);
                self.pass(&polled, &places, origin, &cause, "produce", error.clone(), &mut batch).await?;
            }
            if out.buffer.len() >= PART_BYTES {
                let rest = Outgoing::with_capacity(view.len() - i, PART_BYTES);
                self.produce(std::mem::replace(&mut out, rest), &mut writing, &mut batch).await;
            }
        }
        self.produce(out, &mut writing, &mut batch).await;
        // Before any offset that covers them.
        if let Some(letters) = self.letters.as_mut().map(Letters::take).filter(|l| !l.is_empty()) {
            batch.sent.push(writing.send(letters).await);
        }
        self.task.counters.filtered.add(batch.filtered);
        Ok(Some(batch))
    }

    /// A record of a poll failed for good: it is let pass, with a letter where there is a queue, or it fails the task.
    #[allow(clippy::too_many_arguments)]
    async fn pass(
        &mut self,
        polled: &Records,
        places: &[Mark],
        row: u32,
        cause: &Cause<'_>,
        call: &'static str,
        error: TaskError,
        batch: &mut Batch,
    ) -> Result<(), Failure> {
        tolerate(&self.task, cause.stage, cause.class, call, error)?;
        // However many records came of it, it is one.
        if batch.skip(row)
            && let Some(letters) = &mut self.letters
        {
            let view = polled.view();
            let record = view.record(row as usize);
            self.task.counters.dead_letter_requests.add(1);
            letters.add(view.topic_of(&record), &record, position(places, row), cause).await?;
        }
        Ok(())
    }

    async fn produce(&mut self, out: Outgoing, writing: &mut Writing<'_>, batch: &mut Batch) {
        if !out.is_empty() {
            self.task.counters.written.add(out.len() as u64);
            self.task.counters.bytes.add(out.buffer.len() as u64);
            batch.sent.push(writing.send(out).await);
        }
    }

    /// Retries the whole batch where that may help. None: the task stops.
    async fn transform(&mut self, taken: &Taken) -> Result<Option<Transformed>, Failure> {
        loop {
            match self.chain.apply(taken.polled.records.clone()).await {
                Ok(done) => return Ok(Some(done)),
                Err(error) => {
                    self.task.counters.failures.add(1);
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

    /// Topics that this task has not written to: they are made, and the herder hears of them. False: the task stops.
    async fn announce(&mut self, topics: &[&str]) -> Result<bool, Failure> {
        for topic in topics {
            if self.topics.contains(*topic) {
                continue;
            }
            if let Some(maker) = &self.maker {
                while let Err(error) = maker.make(topic).await {
                    if let Some(failure) = self.task.wait_to_retry(Failure::new("topics", "create", error)).await {
                        return Err(failure);
                    }
                    if self.task.stopping() {
                        return Ok(false);
                    }
                }
            }
            self.topics.insert((*topic).to_owned());
            self.task.runtime.events.active_topic(&self.task.spec.id, topic);
        }
        Ok(true)
    }

    /// Appends a record to `out`. After an error the caller undoes what was appended.
    fn encode(
        &mut self,
        view: &View<'_>,
        record: &Record<'_>,
        origin: u32,
        out: &mut Outgoing,
    ) -> Result<(), (Stage, NotConverted)> {
        let name = view.topic_of(record);
        let fail = |stage: Stage| move |e: NotConverted| (stage, e);
        let c = &mut self.converters;
        let from = out.buffer.len();
        let some = c.key.encode(name, record.key_schema(), record.key(), &mut out.buffer).map_err(fail(Stage::KeyConverter))?;
        let key = out.span(from, some);
        let from = out.buffer.len();
        // A tombstone has no schema; a null that has one is written with it, as Connect does.
        let some =
            c.value.encode(name, record.value_schema(), record.value(), &mut out.buffer).map_err(fail(Stage::ValueConverter))?;
        let value = out.span(from, some);
        if let Some(door) = &mut self.door {
            // A source is never stopped by it.
            let _ = door.ask(name, out.slice(&key), out.slice(&value));
        }
        for h in record.headers() {
            let from = out.buffer.len();
            let some = c.header.encode(name, h.schema, h.value, &mut out.buffer).map_err(fail(Stage::HeaderConverter))?;
            let value = out.span(from, some);
            out.header(h.name, value);
        }
        let topic = out.topic(name);
        out.push(OutMeta { topic, partition: record.partition(), timestamp: record.timestamp(), origin }, key, value);
        Ok(())
    }
}
