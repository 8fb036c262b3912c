//! The way out of one batch: transforms, the plugin's `put`, and every record out by one counted exit.

use std::time::Duration;

use millrace_record::convert::ConvertError;
use millrace_record::{Batch, ErrorKind, RecordFailure, TaskError, TopicPartition};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::Outlet;
use super::intake::Decoded;
use crate::errors::Stage;
use crate::errors::backoff::RecordRetry;
use crate::errors::context::{CONNECT_EXCEPTION, Cause, DATA_EXCEPTION, log_line};
use crate::errors::tolerance::Tolerance;
use crate::task::supervise::Failure;
use crate::transforms::Transformed;

/// A consumed record that failed: its place in the batch of messages, and why.
pub struct Errant {
    pub message: usize,
    pub stage: Stage,
    /// What failed: a converter's or transform's class.
    pub class: String,
    /// The exception that Connect would name.
    pub exception: &'static str,
    pub code: String,
    /// Connect's text, and what it leaves to the stack trace.
    pub text: String,
    pub detail: Option<String>,
}

impl Errant {
    /// A converter refuses a message.
    pub fn unconverted(message: usize, stage: Stage, class: &str, e: ConvertError) -> Errant {
        let (class, code) = (class.to_owned(), "convert".into());
        Errant { message, stage, class, exception: e.class, code, text: e.message, detail: e.cause }
    }

    /// The plugin refuses a record.
    pub fn refused(message: usize, code: String, text: String) -> Errant {
        let (stage, class, exception) = (Stage::TaskPut, PUT_CLASS.to_owned(), CONNECT_EXCEPTION);
        Errant { message, stage, class, exception, code, text, detail: None }
    }

    pub fn cause(&self) -> Cause<'_> {
        Cause {
            stage: self.stage,
            class: &self.class,
            exception: self.exception,
            code: &self.code,
            message: &self.text,
            detail: self.detail.as_deref(),
        }
    }

    fn said(&self) -> String {
        // A text that ends in a colon goes on with what is behind it.
        match &self.detail {
            None => self.text.trim_end_matches(": ").to_owned(),
            Some(detail) => format!("{}: {detail}", self.text.trim_end_matches(": ")),
        }
    }
}

/// What became of a batch.
pub(super) struct Gone {
    /// The messages that failed.
    pub errant: Vec<Errant>,
    /// Records that the plugin has taken, and those that the transforms dropped.
    pub put: u64,
    pub filtered: u64,
}

/// What Connect names when a sink says that a record failed, whatever the sink.
const PUT_CLASS: &str = "org.apache.kafka.connect.sink.SinkTask";

impl Outlet {
    /// Puts a batch; when it returns every record of it has left by an exit, except those that it answers: a stop or a
    /// rebalance came while it waited for a retry, and the whole batch is to be read again.
    pub(super) async fn put<'m>(&mut self, batch: Decoded<'m>) -> Result<Vec<BorrowedMessage<'m>>, Failure> {
        let Decoded { messages, records, rows, mut errant } = batch;
        let Some(done) = self.transform(&records, &rows, &mut errant).await? else { return Ok(messages) };
        if self.keeps_offsets {
            // Invariant durable-before-commit: a put of such a sink moves its offsets past what has failed before it.
            self.report(&messages, std::mem::take(&mut errant)).await?;
        }
        let Some(Gone { errant, put, filtered }) = self.send(done, records.len(), &rows, errant).await? else {
            return Ok(messages);
        };
        self.report(&messages, errant).await?;
        let counters = &self.task.counters;
        counters.consumed.add(messages.len() as u64);
        counters.put.add(put);
        counters.filtered.add(filtered);
        self.progressed(&messages);
        Ok(Vec::new())
    }

    /// Puts what the transforms made of `read` records; row `i` of these is message `rows[i]`. `errant` are those that have failed
    /// before. None: as for [`Outlet::wait`].
    pub(super) async fn send(
        &mut self,
        done: Transformed,
        read: usize,
        rows: &[usize],
        mut errant: Vec<Errant>,
    ) -> Result<Option<Gone>, Failure> {
        let filtered = done.filtered(read);
        let Some(failures) = self.put_records(&done.records).await? else {
            self.chain.undo();
            return Ok(None);
        };
        self.chain.keep(&mut self.unsaved);
        let put = (done.records.len() - failures.len()) as u64;
        for f in failures {
            let message = rows[done.origin_of(f.row as usize) as usize];
            errant.push(Errant::refused(message, f.code, f.message));
        }
        Ok(Some(Gone { errant, put, filtered }))
    }

    /// Records have left by an exit: their offsets are due.
    fn progressed(&mut self, messages: &[BorrowedMessage<'_>]) {
        // Records of one partition come in runs.
        for run in messages.chunk_by(|a, b| a.partition() == b.partition() && a.topic() == b.topic()) {
            let [first, ..] = run else { continue };
            let tp = TopicPartition { topic: first.topic().to_owned(), partition: first.partition() };
            self.due_from.entry(tp.clone()).or_insert(first.offset());
            self.upto.insert(tp, run[run.len() - 1].offset() + 1);
        }
        self.count_due();
    }

    /// Counts the records that are not committed.
    pub(super) fn count_due(&self) {
        let due = self.upto.iter().map(|(tp, upto)| upto - self.due_from.get(tp).unwrap_or(upto));
        let (all, most) = due.fold((0, 0), |(all, most), n| (all + n, n.max(most)));
        self.task.counters.uncommitted(all, most);
    }

    /// What the transforms make of a batch; records that fail in them join the errant, in the order of the log. None: as for
    /// [`Outlet::wait`].
    pub(super) async fn transform(
        &mut self,
        records: &Batch,
        rows: &[usize],
        errant: &mut Vec<Errant>,
    ) -> Result<Option<Transformed>, Failure> {
        loop {
            match self.task.counters.pulse.during("a transform", self.chain.apply(records.clone())).await {
                Ok(done) => {
                    for f in &done.failed {
                        errant.push(Errant {
                            message: rows[f.row as usize],
                            stage: Stage::Transformation,
                            class: f.class.clone(),
                            exception: DATA_EXCEPTION,
                            code: f.code.clone(),
                            text: f.cause.clone(),
                            detail: None,
                        });
                    }
                    errant.sort_by_key(|e| e.message);
                    return Ok(Some(done));
                }
                Err(error) => {
                    self.task.counters.failures.add(1);
                    if !self.back_off(Failure::new("transforms", "apply", error)).await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Every record of it is put or has failed for good when it returns: what it answers is the latter, by row. None: as for
    /// [`Outlet::wait`].
    async fn put_records(&mut self, records: &Batch) -> Result<Option<Vec<RecordFailure>>, Failure> {
        if records.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let failures = match self.put_part(records).await? {
            None => return Ok(None),
            Some(Ok(failures)) => failures,
            Some(Err(poisoned)) => match self.isolate(records, poisoned).await? {
                None => return Ok(None),
                Some(failures) => failures,
            },
        };
        self.put_again(records, failures).await
    }

    /// Puts the records again whose failure may pass, alone, until it does or the attempts are used up. What it answers has
    /// failed for good, by its row in `records`. None: as for [`Outlet::wait`].
    async fn put_again(&mut self, records: &Batch, failures: Vec<RecordFailure>) -> Result<Option<Vec<RecordFailure>>, Failure> {
        let (mut again, mut failed): (Vec<_>, Vec<_>) = failures.into_iter().partition(|f| f.retriable);
        let mut retry = RecordRetry::new(&self.task.settings.errors, self.task.settings.retry);
        while !again.is_empty() {
            let Some(delay) = retry.next_delay() else { break };
            // The last failure of a record is counted where it is reported.
            self.task.counters.failures.add(again.len() as u64);
            self.task.counters.retries.add(again.len() as u64);
            self.task.counters.failed_now();
            self.task.counters.pulse.retrying(format!(
                "{} refused {} records for now: {}",
                self.subject,
                again.len(),
                again[0].message
            ));
            if !self.wait(delay).await {
                return Ok(None);
            }
            let rows: Vec<u32> = again.iter().map(|f| f.row).collect();
            match self.task.counters.pulse.during("put", self.plugin.put(&records.select(&rows))).await {
                Ok(failures) => {
                    self.keeper.keep();
                    let failures = failures.into_iter().map(|f| RecordFailure { row: rows[f.row as usize], ..f });
                    let (still, now): (Vec<_>, Vec<_>) = failures.partition(|f| f.retriable);
                    failed.extend(now);
                    again = still;
                }
                // The call itself failed, which says nothing of the records: they come again with the next session.
                Err(error) => return Err(Failure::new(&self.subject, "put", error)),
            }
        }
        self.task.healthy();
        failed.append(&mut again);
        failed.sort_by_key(|f| f.row);
        Ok(Some(failed))
    }

    /// After a failed call: waits for the next try for as long as trying may help, so that the task keeps its place in the
    /// group. False: as for [`Outlet::wait`].
    pub(super) async fn back_off(&mut self, failure: Failure) -> Result<bool, Failure> {
        if failure.error.kind != ErrorKind::Retriable {
            return Err(failure);
        }
        let delay = self.task.count_retry(failure)?;
        Ok(self.wait(delay).await)
    }

    /// False: the task stops, or partitions are to be given up or taken first.
    async fn wait(&mut self, delay: Duration) -> bool {
        tokio::select! {
            _ = tokio::time::sleep(delay) => true,
            _ = self.task.stopped() => false,
            _ = self.interrupt.notified() => false,
        }
    }

    /// Sends failed records to the dead letter queue, or skips them, and fails the task where `errors.tolerance` says so.
    /// Returns once the queue has acknowledged them. As in Connect the record that fails the task goes to the queue too.
    pub(super) async fn report(&mut self, messages: &[impl Message], errant: Vec<Errant>) -> Result<(), Failure> {
        if errant.is_empty() {
            return Ok(());
        }
        let (counters, errors) = (&self.task.counters, &self.task.settings.errors);
        counters.failed_now();
        let fatal = (errors.tolerance == Tolerance::None).then(|| &errant[0]);
        let passing = if fatal.is_some() { &errant[..1] } else { &errant[..] };
        let failed = |e| Failure::new("dead letter queue", "acknowledge", e);
        for e in passing {
            let m = &messages[e.message];
            counters.errors.add(1);
            counters.failures.add(1);
            if errors.log {
                counters.errors_logged.add(1);
                let line = log_line(&self.task.spec.id, &e.cause(), errors.log_messages.then_some(m));
                tracing::error!(code = e.code, error = e.said(), "{line}");
            }
            match &mut self.dead_letters {
                Some(queue) => {
                    counters.dead_letter_requests.add(1);
                    queue.add(m, &e.cause()).await.map_err(failed)?;
                }
                None if fatal.is_none() => counters.skipped.add(1),
                None => {}
            }
        }
        if let Some(queue) = &mut self.dead_letters {
            if let Err(e) = counters.pulse.during("the dead letter queue", queue.send()).await {
                counters.dead_letter_failures.add(passing.len() as u64);
                return Err(failed(e));
            }
            if fatal.is_none() {
                counters.dead_lettered.add(passing.len() as u64);
            }
        }
        let Some(e) = fatal else { return Ok(()) };
        let m = &messages[e.message];
        let text =
            format!("Tolerance exceeded in error handler: record {}-{}@{}: {}", m.topic(), m.partition(), m.offset(), e.said());
        let mut error = TaskError::fatal(&e.code, text);
        error.attributes.push(("stage".into(), e.stage.name().into()));
        error.attributes.push(("class".into(), e.class.clone()));
        let remedy = "set errors.tolerance=all, with errors.deadletterqueue.topic.name, to let such records pass";
        error.attributes.push(("remedy".into(), remedy.into()));
        Err(Failure::new(&self.subject, "put", error).decided())
    }
}
