//! The one who decides what changes. Changes that came meanwhile are written together, each decided upon the one before it.
//!
//! Invariant one-writer: a decision is written only if nobody else has written since the state that it was made upon. The
//! log refuses a writer that another has superseded; this one then reads what the other wrote, and decides anew.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use serde_json::Value;
use tokio::sync::mpsc;

use super::error::ApiError;
use super::log::{LogError, SchemaLog};
use super::record::Record;
use super::state::State;
use super::{Job, Registry};

/// How many changes are written together.
const TOGETHER_MAX: usize = 256;
/// How long the log may take to give back what was written to it.
const READ_BACK: Duration = Duration::from_secs(30);
/// How often changes are decided anew because another worker wrote between.
const ATTEMPTS_MAX: u32 = 20;
/// How long a superseded writer waits before it claims the log again, so that the other one has its turn: at most this long
/// at first, twice as long each time, up to the second.
const GIVE_WAY_MS: [u64; 2] = [50, 3_200];

/// To be run beside the registry.
pub struct Writer {
    registry: Arc<Registry>,
    waiting: mpsc::Receiver<Job>,
    /// While this is the writer: what the log holds.
    held: Option<Held>,
}

struct Held {
    state: State,
    /// The last offset that this writer knows of.
    offset: i64,
}

type Answers = Vec<Result<Value, ApiError>>;

/// Why changes could not be written.
enum Failure {
    Superseded,
    TooLarge(String),
    Failed(ApiError),
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Superseded => Failure::Superseded,
            LogError::TooLarge(why) => Failure::TooLarge(why),
            LogError::Unavailable(why) => Failure::Failed(ApiError::store(why)),
        }
    }
}

impl Writer {
    pub(super) fn new(registry: Arc<Registry>, waiting: mpsc::Receiver<Job>) -> Self {
        Writer { registry, waiting, held: None }
    }

    /// Runs as long as it is let.
    pub async fn run(mut self, log: Arc<dyn SchemaLog>) {
        let mut jobs = Vec::new();
        while self.waiting.recv_many(&mut jobs, TOGETHER_MAX).await > 0 {
            let mut batch: Vec<Job> = jobs.drain(..).filter(|job| !job.answer.is_closed()).collect();
            match self.settle(&*log, &mut batch).await {
                Err(Failure::TooLarge(_)) if batch.len() > 1 => {
                    // One of them is; the others are not to suffer for it.
                    for job in batch {
                        let mut alone = vec![job];
                        let answers = self.settle(&*log, &mut alone).await;
                        give(alone, answers);
                    }
                }
                answers => give(batch, answers),
            }
        }
    }

    /// Decides and writes, as often as another writer comes between.
    async fn settle(&mut self, log: &dyn SchemaLog, jobs: &mut Vec<Job>) -> Result<Answers, Failure> {
        for attempt in 0..ATTEMPTS_MAX {
            match self.attempt(log, jobs).await {
                Ok(answers) => return Ok(answers),
                Err(Failure::Superseded) => {
                    self.held = None;
                    let most = (GIVE_WAY_MS[0] << attempt.min(16)).min(GIVE_WAY_MS[1]);
                    let wait = rand::rng().random_range(most / 4..=most);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                Err(failure) => {
                    // What became of the last write will be seen once the log is claimed again.
                    self.held = None;
                    return Err(failure);
                }
            }
        }
        Err(Failure::Failed(ApiError::timeout("other workers write to the registry's topic all the time; try again")))
    }

    async fn attempt(&mut self, log: &dyn SchemaLog, jobs: &mut Vec<Job>) -> Result<Answers, Failure> {
        let mut held = match self.held.take().filter(|h| h.offset >= self.registry.progress.borrow().offset) {
            Some(held) => held,
            None => self.claim(log).await?,
        };
        let (registry, mut moved) = (self.registry.clone(), std::mem::take(jobs));
        // Comparing large schemas takes its time, and many tasks share the runtime's threads.
        let decided = tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            let answers: Answers = moved
                .iter_mut()
                .map(|job| {
                    let decision = job.command.decide(&held.state, &registry.texts)?;
                    decision.records.iter().for_each(|record| held.state.apply(record));
                    records.extend(decision.records);
                    Ok(decision.answer)
                })
                .collect();
            (held, moved, records, answers)
        });
        let gone = |_| Failure::Failed(ApiError::store("the change could not be decided; see the worker's log"));
        let (mut held, moved, records, answers) = decided.await.map_err(gone)?;
        *jobs = moved;
        if !records.is_empty() {
            held.offset = self.write(log, &records).await?;
        }
        self.held = Some(held);
        Ok(answers)
    }

    async fn claim(&self, log: &dyn SchemaLog) -> Result<Held, Failure> {
        log.claim().await?;
        // Its place in the log is behind all that others have written.
        let offset = self.write(log, &[Record::Noop]).await?;
        Ok(Held { state: self.registry.view(State::clone), offset })
    }

    /// Returns once the records are durable and read back.
    async fn write(&self, log: &dyn SchemaLog, records: &[Record]) -> Result<i64, Failure> {
        let offset = log.append(records.iter().map(Record::entry).collect()).await?;
        let mut progress = self.registry.progress.subscribe();
        let read = tokio::time::timeout(READ_BACK, progress.wait_for(|p| p.offset >= offset)).await;
        let late = |_| Failure::Failed(ApiError::timeout("the registry's topic does not give back what was written; try again"));
        let _ = read.map_err(late)?;
        Ok(offset)
    }
}

fn give(jobs: Vec<Job>, answers: Result<Answers, Failure>) {
    let answers = match answers {
        Ok(answers) => answers,
        Err(failure) => {
            let error = match failure {
                Failure::TooLarge(why) => ApiError::too_large(why),
                Failure::Failed(error) => error,
                Failure::Superseded => ApiError::store("another worker writes to the registry's topic; try again"),
            };
            jobs.iter().map(|_| Err(error.clone())).collect()
        }
    };
    for (job, answer) in jobs.into_iter().zip(answers) {
        // Who asked may be gone.
        let _ = job.answer.send(answer);
    }
}
