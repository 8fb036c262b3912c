//! One job from its first record to its last. A batch goes: read, put, what failed is written, flush, the rest is written. So
//! a record has left the sink's hands before its outcome is written, and its outcome is written before the next is read.
//!
//! Killed at any moment, the job goes on behind the last batch that was written: what was put of the next is put once more.
//! A sink that writes by keys writes the same again; one that keeps its offsets knows what it has.

mod cancel;
mod pace;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use tokio::sync::watch;

use self::pace::Pace;
use super::choice::{Chosen, Letter, choose, position, source_topic, without_outcome};
use super::job::{Job, Part, Progress, State, What};
use super::ledger::{Change, DeadLetter, LedgerError, headers};
use super::letter::REDRIVE;
use super::outcome::{Kind, Outcome};
use super::queue::Chunk;
use super::selected::Selected;
use super::{Redrives, now_ms};
use crate::dlq::Position;
use crate::errors::context::Families;
use crate::herder::{Herder, SinkAway};
use crate::invariants::{Invariant, reversed};
use crate::kafka::outgoing::Outgoing;
use crate::task::{Durable, Errant, Failure, Redriver, Target, TaskEvents, TaskId, TaskSpec, TaskState, keeps_offsets};

/// Records of a batch, and their bytes.
const BATCH_RECORDS: usize = 4096;
const BATCH_BYTES: usize = 4 << 20;
/// How often the rate is told.
const RATE_TOLD: Duration = Duration::from_millis(500);
/// How soon is tried again what failed and may pass: doubling, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why a session of a job ended.
enum End {
    /// The job has its last state.
    Ended,
    /// What it waits for, which is not there now.
    Waits(String),
    /// What the session was made of has changed.
    Changed,
}

enum Trouble {
    /// It may pass.
    Passing(String),
    Fatal(String),
}

impl From<LedgerError> for Trouble {
    fn from(e: LedgerError) -> Self {
        Trouble::Passing(e.to_string())
    }
}

impl From<Failure> for Trouble {
    fn from(f: Failure) -> Self {
        if f.may_recover() { Trouble::Passing(f.cause()) } else { Trouble::Fatal(f.cause()) }
    }
}

/// What a session tells of itself goes to the job, not to a task's status.
struct Told(Arc<Redrives>, u64);

impl TaskEvents for Told {
    fn state(&self, _: &TaskId, state: TaskState) {
        let waits = match state {
            TaskState::Failed { trace } => Some(crate::secrets::hide(&trace).into_owned()),
            _ => None,
        };
        self.0.live(self.1, |live| live.waits = waits);
    }
    fn active_topic(&self, _: &TaskId, _: &str) {}
}

/// Runs a job until it has ended or the worker stops.
pub(super) async fn run(redrives: Arc<Redrives>, herder: Arc<Herder>, id: u64) {
    let mut delay = AGAIN.0;
    while !redrives.stopping() {
        let mut pulse = redrives.pulse.subscribe();
        let waits = match session(&redrives, &herder, id).await {
            Ok(End::Ended) => break,
            Ok(End::Changed) => continue,
            Ok(End::Waits(what)) => {
                redrives.live(id, |live| live.waits = Some(what));
                let _ = pulse.changed().await;
                continue;
            }
            Err(Trouble::Passing(what)) => what,
            Err(Trouble::Fatal(why)) => {
                tracing::error!(job = id, error = why, "a redrive failed");
                match finish(&redrives, id, State::Failed, Some(why)).await {
                    Ok(()) => break,
                    Err(e) => e.to_string(),
                }
            }
        };
        let what = crate::secrets::hide(&waits).into_owned();
        tracing::warn!(job = id, error = what, ?delay, "a redrive is tried again");
        redrives.live(id, |live| live.waits = Some(what));
        tokio::select! {
            _ = tokio::time::sleep(delay) => {}
            _ = pulse.changed() => {}
        }
        delay = (delay * 2).min(AGAIN.1);
    }
    redrives.ended(id);
}

async fn finish(redrives: &Redrives, id: u64, state: State, error: Option<String>) -> Result<(), LedgerError> {
    redrives.ledger.ready().await?;
    let Some((_, progress)) = redrives.ledger.job(id) else { return Ok(()) };
    let error = error.map(|e| crate::secrets::hide(&e).into_owned());
    let progress = Progress { state, error, ended: Some(now_ms()), ahead: Default::default(), ..progress };
    redrives.ledger.commit(Change { progress: Some((id, progress)), ..Change::default() }).await?;
    Ok(())
}

/// From what is written of the job to its end, or to what ends the session.
async fn session(redrives: &Arc<Redrives>, herder: &Arc<Herder>, id: u64) -> Result<End, Trouble> {
    redrives.ledger.ready().await?;
    let Some((job, progress)) = redrives.ledger.job(id) else { return Ok(End::Ended) };
    if progress.state != State::Running {
        return Ok(End::Ended);
    }
    if job.cancelled && !progress.keeps_offsets {
        finish(redrives, id, State::Cancelled, None).await?;
        return Ok(End::Ended);
    }
    if let Some(first) = redrives.ledger.turn(&job.queue).filter(|first| *first != id) {
        return Ok(End::Waits(format!("job {first}, which is before it on the queue \"{}\"", job.queue)));
    }
    let sink = match &job.connector {
        None => None,
        Some(name) if job.what == What::Redrive => match herder.sink_of(name).await {
            Ok(spec) => Some(spec),
            Err(SinkAway::For(what)) => return Ok(End::Waits(what)),
            Err(SinkAway::Good(why)) => return Err(Trouble::Fatal(why)),
        },
        Some(_) => None,
    };
    redrives.live(id, |live| live.waits = None);
    let mut work = Work::new(redrives.clone(), herder, job.clone(), progress).await?;
    let (target, watched) = watch::channel(Target::Running);
    let watching = tokio::spawn(watch_for_changes(redrives.clone(), herder.clone(), job, sink.clone(), target));
    let ended = match sink {
        None => work.discard(&watched).await,
        Some(spec) => work.redrive(spec, herder, watched).await,
    };
    watching.abort();
    ended
}

/// Ends the session once the job is cancelled, or its sink is not what it was.
async fn watch_for_changes(
    redrives: Arc<Redrives>,
    herder: Arc<Herder>,
    job: Job,
    sink: Option<TaskSpec>,
    target: watch::Sender<Target>,
) {
    let mut pulse = redrives.pulse.subscribe();
    loop {
        let cancelled = redrives.ledger.job(job.id).is_none_or(|(now, _)| now.cancelled != job.cancelled);
        let same = match (&sink, &job.connector) {
            (Some(was), Some(name)) => match herder.sink_of(name).await {
                Ok(now) => {
                    now.connector_config == was.connector_config
                        && now.task_config == was.task_config
                        && Arc::ptr_eq(&now.plugin, &was.plugin)
                }
                Err(_) => false,
            },
            _ => true,
        };
        if cancelled || !same || redrives.stopping() {
            target.send_replace(Target::Stopped);
            return;
        }
        if pulse.changed().await.is_err() {
            return;
        }
    }
}

/// A job in hand.
struct Work {
    redrives: Arc<Redrives>,
    job: Job,
    /// As it is written.
    progress: Progress,
    selected: Selected,
    sent: u64,
    pace: Pace,
    /// When the rate was last told, and how many had been settled.
    told: (Instant, u64),
}

impl Work {
    async fn new(redrives: Arc<Redrives>, herder: &Herder, job: Job, progress: Progress) -> Result<Self, Trouble> {
        let selected = Selected::by(&job, &redrives, herder, "redrive").await.map_err(Trouble::Passing)?;
        let sent = progress.counts.redriven + progress.counts.filtered + progress.counts.failed_again;
        let told = (Instant::now(), progress.counts.settled());
        Ok(Work { redrives, told, pace: Pace::new(job.rate), job, progress, selected, sent })
    }

    async fn read(&mut self) -> Result<Chunk, Trouble> {
        let from = self.progress.next.unwrap_or(Position { partition: 0, offset: 0 });
        let records = self.pace.records().min(BATCH_RECORDS);
        let mut chunk = self.selected.read(from, records, BATCH_BYTES).await.map_err(Trouble::Passing)?;
        self.selected.pick(&mut chunk);
        Ok(chunk)
    }

    /// Writes outcomes and progress.
    async fn write(&mut self, outcomes: Vec<(Position, Outcome)>, letters: Vec<(usize, DeadLetter)>) -> Result<(), Trouble> {
        let progress = Some((self.job.id, self.progress.clone()));
        let queue = self.job.queue.clone();
        let change = self.redrives.ledger.commit(Change { job: None, progress, queue, outcomes, letters }).await?;
        self.redrives.decided(&change).await;
        let (settled, now) = (self.progress.counts.settled(), Instant::now());
        if now - self.told.0 > RATE_TOLD {
            let rate = (settled - self.told.1) as f64 / (now - self.told.0).as_secs_f64();
            self.told = (now, settled);
            self.redrives.live(self.job.id, |live| live.rate = rate);
        }
        Ok(())
    }

    fn outcome(&self, outcome: Kind) -> Outcome {
        let (reason, by) = (self.job.reason.clone(), self.job.by.clone());
        Outcome { outcome, job: self.job.id, at: now_ms(), filtered: false, to: None, reason, by }
    }

    /// A chunk is behind the job. True: it was the last.
    fn behind(&mut self, chunk: &Chunk) -> bool {
        self.progress.counts.missing += chunk.missing.len() as u64;
        self.progress.ahead.clear();
        match chunk.next {
            Some(next) => self.progress.next = Some(next),
            None => {
                self.progress.state = State::Done;
                self.progress.ended = Some(now_ms());
            }
        }
        chunk.next.is_none()
    }

    async fn discard(&mut self, target: &watch::Receiver<Target>) -> Result<End, Trouble> {
        while *target.borrow() == Target::Running {
            let chunk = self.read().await?;
            let (chosen, skipped) = without_outcome(&self.redrives, &self.job, &self.progress.ahead, &chunk);
            self.progress.counts.skipped += skipped.len() as u64;
            let outcome = self.outcome(Kind::Discarded);
            let outcomes: Vec<_> = chosen.iter().map(|i| &chunk.messages[*i]).map(|m| (position(m), outcome.clone())).collect();
            self.progress.counts.discarded += outcomes.len() as u64;
            let n = outcomes.len();
            let last = self.behind(&chunk);
            self.write(outcomes, Vec::new()).await?;
            if last {
                return Ok(End::Ended);
            }
            self.pace.wait(n, target).await;
        }
        Ok(End::Changed)
    }

    async fn redrive(
        &mut self,
        spec: TaskSpec,
        herder: &Arc<Herder>,
        mut target: watch::Receiver<Target>,
    ) -> Result<End, Trouble> {
        let told = Arc::new(Told(self.redrives.clone(), self.job.id));
        let mut spec = spec;
        let own = herder.resolve(&self.job.transforms).await.map_err(|e| Trouble::Passing(e.to_string()))?;
        super::transforms::prepend(&mut spec.connector_config, &own.config);
        let own = keeps_offsets(&spec);
        let death = Death {
            task: spec.id.clone(),
            version: spec.plugin.info().version.clone(),
            families: Families::of_config(&spec.connector_config),
        };
        let topic = source_topic(&spec, &self.job.queue);
        let patch = self.job.patch.clone();
        let patch = patch.as_ref().map(|p| (p, self.job.of == Part::Key));
        let starting = Redriver::start(spec, patch, herder.task_runtime(), told, target.clone());
        let mut sink = tokio::select! {
            sink = starting => sink?,
            _ = target.wait_for(|t| *t == Target::Stopped) => return Ok(End::Changed),
        };
        let done = if self.job.cancelled {
            self.settle(&mut sink, own, topic.as_deref(), &target).await
        } else {
            self.redrive_all(&mut sink, &death, own, topic.as_deref(), &target).await
        };
        sink.stop().await;
        done
    }

    async fn redrive_all(
        &mut self,
        sink: &mut Redriver,
        death: &Death,
        own: bool,
        topic: Option<&str>,
        target: &watch::Receiver<Target>,
    ) -> Result<End, Trouble> {
        if own && !self.progress.keeps_offsets {
            self.progress.keeps_offsets = true;
            self.write(Vec::new(), Vec::new()).await?;
        }
        while *target.borrow() == Target::Running {
            let mut chunk = self.read().await?;
            let Chosen { letters, records, skipped } =
                choose(&self.redrives, &self.job, &self.progress.ahead, &mut chunk, own, topic);
            // Invariant one-outcome.
            let outcomes = if reversed(Invariant::OneOutcome) {
                letters.iter().map(|letter| (letter.at, self.outcome(Kind::Redriven))).collect()
            } else {
                let Some(outcomes) = self.put(sink, death, &letters, &records).await? else { break };
                outcomes
            };
            // Counted here, with the outcomes: what a session has put that ended before is put again.
            for (_, outcome) in &outcomes {
                let counts = &mut self.progress.counts;
                *(if outcome.filtered { &mut counts.filtered } else { &mut counts.redriven }) += 1;
            }
            self.progress.counts.skipped += skipped;
            let last = self.behind(&chunk);
            if last || !outcomes.is_empty() {
                self.write(outcomes, Vec::new()).await?;
            }
            if reversed(Invariant::OneOutcome) && self.put(sink, death, &letters, &records).await?.is_none() {
                break;
            }
            if last {
                return Ok(End::Ended);
            }
            self.pace.wait(records.len(), target).await;
        }
        Ok(End::Changed)
    }

    /// Through the sink. What failed is a dead letter again and has its outcome when this answers those of the others. None: the
    /// session is to end first.
    async fn put(
        &mut self,
        sink: &mut Redriver,
        death: &Death,
        letters: &[Letter],
        records: &[OwnedMessage],
    ) -> Result<Option<Vec<(Position, Outcome)>>, Trouble> {
        if records.is_empty() {
            return Ok(Some(Vec::new()));
        }
        self.sent += records.len() as u64;
        let sent = self.sent;
        self.redrives.live(self.job.id, |live| live.sent = sent);
        let Some((ready, mut errant)) = sink.prepare(records).await? else { return Ok(None) };
        // Of a message that transforms have made several of the first failure counts.
        let mut failed = HashSet::new();
        errant.retain(|e| failed.insert(e.message));
        // Before anything is put: a sink that keeps its offsets passes what failed with that.
        self.failed_again(death, letters, records, &errant).await?;
        let Some(put) = sink.put(ready).await? else { return Ok(None) };
        errant = put.errant;
        loop {
            // Before what it held back is written, for the same reason.
            errant.retain(|e| failed.insert(e.message));
            self.failed_again(death, letters, records, &errant).await?;
            match sink.flush(records).await? {
                Durable::All => break,
                Durable::Late(late) => errant = late,
                Durable::Stopped => return Ok(None),
            }
        }
        let filtered: HashSet<usize> = put.filtered.into_iter().collect();
        let mut outcomes = Vec::with_capacity(records.len());
        for (i, Letter { at, .. }) in letters.iter().enumerate().filter(|(i, _)| !failed.contains(i)) {
            let filtered = filtered.contains(&i);
            outcomes.push((*at, Outcome { filtered, ..self.outcome(Kind::Redriven) }));
        }
        Ok(Some(outcomes))
    }

    async fn failed_again(
        &mut self,
        death: &Death,
        letters: &[Letter],
        records: &[OwnedMessage],
        errant: &[Errant],
    ) -> Result<(), Trouble> {
        if errant.is_empty() {
            return Ok(());
        }
        let (mut outcomes, mut again) = (Vec::new(), Vec::new());
        for e in errant {
            let (Letter { at, origin }, record) = (&letters[e.message], &records[e.message]);
            let job = self.job.id.to_string();
            let mut out = Outgoing::default();
            death.families.write(&mut out, &death.task, &death.version, &origin.place(), None, &e.cause());
            let redriven = REDRIVE.into_iter().zip([self.job.queue.clone(), at.to_string(), job]).collect::<Vec<_>>();
            let before = record.headers().into_iter().flat_map(|h| h.iter()).map(|h| (h.key, h.value));
            let of_death = out.headers();
            let redriven = redriven.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
            let letter = DeadLetter {
                queue: self.job.queue.clone(),
                key: record.key().map(<[u8]>::to_vec),
                value: record.payload().map(<[u8]>::to_vec),
                timestamp: record.timestamp().to_millis(),
                headers: headers(before.chain(of_death).chain(redriven)),
            };
            again.push((outcomes.len(), letter));
            outcomes.push((*at, self.outcome(Kind::FailedAgain)));
            self.progress.ahead.insert(*at);
            self.progress.counts.failed_again += 1;
        }
        self.write(outcomes, again).await
    }
}

/// What the headers of a record that fails again say beside its cause.
struct Death {
    task: TaskId,
    version: String,
    families: Families,
}
