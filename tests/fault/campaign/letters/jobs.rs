//! Jobs of redrives, asked for while things break: one whose answer was lost may have been made, one that was answered is there
//! for good.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::Caller;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::feed::patch;
use super::model::Model;
use super::redrive::{Redrive, What};

/// How long a request may take while things break, and after how long the next one is sent.
const ASK: Duration = Duration::from_millis(700);
const AGAIN: Duration = Duration::from_millis(30);
/// How many positions are named at the most.
const NAMED_MAX: usize = 200;

pub struct Jobs {
    queue: String,
    /// What the present round asks for, until a job was answered.
    wanted: Option<Value>,
    discards: bool,
    /// What came of the last request.
    answer: String,
    /// Ids of jobs that were answered.
    made: BTreeSet<String>,
    /// That were to be cancelled.
    cancelling: BTreeSet<String>,
    pub ended: u64,
    pub cancelled: u64,
}

impl Jobs {
    pub fn new(queue: &str) -> Jobs {
        let (wanted, discards, answer, made, cancelling, ended, cancelled) = Default::default();
        Jobs { queue: queue.to_owned(), wanted, discards, answer, made, cancelling, ended, cancelled }
    }

    /// Asks for what is drawn, until it is answered or the round is over. `waiting`: offsets in the queue without an outcome.
    pub async fn round(&mut self, worker: Caller, redrive: Option<&Redrive>, waiting: Vec<i64>, mut stop: watch::Receiver<bool>) {
        let Some(redrive) = redrive else { return };
        self.wanted = Some(body(redrive, &waiting));
        self.discards = redrive.what == What::Discard;
        let asking = async {
            tokio::time::sleep(redrive.at).await;
            while let Err(why) = self.ask(&worker).await {
                self.answer = format!("{why:#}");
                tokio::time::sleep(AGAIN).await;
            }
            let (Some(after), Some(id)) = (redrive.cancel, self.made.last().cloned()) else { return };
            tokio::time::sleep(after).await;
            let cancel = format!("/dlq/{}/jobs/{id}/cancel", self.queue);
            self.cancelling.insert(id);
            // Until it is cancelled, or says that it has ended.
            while !matches!(request(&worker, "POST", &cancel, None).await, Ok((202 | 409, _))) {
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::select! {
            () = asking => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Makes the job that is wanted, if one is.
    async fn ask(&mut self, worker: &Caller) -> anyhow::Result<()> {
        let Some(wanted) = &mut self.wanted else { return Ok(()) };
        let path = format!("/dlq/{}/{}", self.queue, if self.discards { "discard" } else { "redrive" });
        let (status, answer) = request(worker, "POST", &path, Some(wanted)).await?;
        if status == 409 && wanted.get("positions").is_some() {
            // A request whose answer was lost has made the job.
            wanted.as_object_mut().expect("it is one").remove("positions");
            wanted["all"] = json!(true);
        }
        ensure!(status == 202, "{path}: {status} {answer}");
        self.made.insert(answer["id"].as_str().context("a job has an id")?.to_owned());
        self.wanted = None;
        Ok(())
    }

    /// Whether what is wanted was asked for, and all jobs have ended, and done what they say.
    pub async fn complete(&mut self, worker: &Caller, model: &Model) -> anyhow::Result<()> {
        let last = self.answer.clone();
        self.ask(worker).await.with_context(|| format!("no job was made, before: {last}"))?;
        let (_, jobs) = worker.request("GET", &format!("/dlq/{}/jobs", self.queue), None).await?;
        let jobs = jobs["jobs"].as_array().context("there are jobs")?;
        for id in &self.made {
            ensure!(jobs.iter().any(|job| job["id"] == **id), "job {id} was answered, and is not there: {jobs:?}");
        }
        (self.ended, self.cancelled) = (0, 0);
        for job in jobs {
            let cancelled = job["state"] == "CANCELLED";
            let asked_for = self.cancelling.iter().any(|id| job["id"] == **id);
            ensure!(job["state"] == "DONE" || cancelled && asked_for, "a job has not ended: {job}");
            model.settled(job, cancelled).with_context(|| job.to_string())?;
            self.ended += 1;
            self.cancelled += u64::from(cancelled);
        }
        Ok(())
    }
}

fn body(redrive: &Redrive, waiting: &[i64]) -> Value {
    let mut body = match redrive.what {
        What::Refused => json!({"filter": {"stage": "TASK_PUT"}}),
        What::Discard => json!({"filter": {"stage": "VALUE_CONVERTER"}, "reason": "it cannot be read"}),
        What::Some if !waiting.is_empty() => {
            // Every second one, so that others are between.
            let some: Vec<_> = waiting.iter().step_by(2).take(NAMED_MAX).map(|offset| format!("0-{offset}")).collect();
            json!({"positions": some})
        }
        What::All | What::Some => json!({"all": true}),
    };
    if redrive.what != What::Discard {
        body["patch"] = patch();
        if let Some(lasts) = redrive.lasts {
            body["rate"] = json!(((waiting.len() as f64 / lasts.as_secs_f64()) as u64).max(20));
        }
    }
    body
}

/// It may come in vain: what it hits may be dead.
async fn request(worker: &Caller, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
    tokio::time::timeout(ASK, worker.request(method, path, body)).await?
}
