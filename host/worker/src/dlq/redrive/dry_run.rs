//! What would become of the first records of a job, with nothing written: they are read, patched, and sent through converters and
//! transforms. The sink is not asked.

use std::sync::Arc;

use rdkafka::Message;
use rdkafka::message::{Headers, OwnedMessage};
use serde_json::{Value, json};

use super::Redrives;
use super::choice::{Letter, choose, source_topic};
use super::job::{Job, Part};
use super::selected::Selected;
use crate::dlq::Position;
use crate::herder::dry_run::{BYTES_MAX, Sample};
use crate::herder::{Herder, HerderError, SinkAway};
use crate::task::{Patcher, Undecoded};

/// How many records of the queue are looked at.
const LOOKED_MAX: usize = 100_000;

pub(super) async fn dry_run(redrives: &Redrives, herder: &Arc<Herder>, job: &Job, limit: usize) -> Result<Value, HerderError> {
    let spec = herder.sink_of(job.connector.as_deref().unwrap_or_default()).await;
    let mut spec = spec.map_err(|away| match away {
        SinkAway::For(why) | SinkAway::Good(why) => HerderError::Conflict(why),
    })?;
    let topic = source_topic(&spec, &job.queue);
    super::transforms::prepend(&mut spec.connector_config, &herder.resolve(&job.transforms).await?.config);
    let chosen = first(redrives, herder, job, topic.as_deref(), limit).await?;
    let wrong = |e: millrace_record::TaskError| HerderError::BadRequest(e.message);
    let patcher = job
        .patch
        .as_ref()
        .map(|patch| Patcher::new(patch, job.of == Part::Key, &mut spec.connector_config, herder.task_runtime()));
    let mut patcher = patcher.transpose().map_err(wrong)?;
    let (mut answers, mut samples, mut tried) = (Vec::new(), Vec::new(), Vec::new());
    for (at, record) in chosen {
        let mut answer = json!({"position": at});
        let patched = match &mut patcher {
            None => Ok(record),
            Some(patcher) => patched(patcher, &record).await,
        };
        match patched {
            Ok(record) => {
                tried.push(answers.len());
                samples.push(sample(&record));
            }
            Err(error) => answer["error"] = error,
        }
        answers.push(answer);
    }
    let mut done = herder.try_records(&spec.connector_config, samples).await?;
    let records = done["records"].take();
    for (at, of) in tried.into_iter().zip(records.as_array().into_iter().flatten()) {
        for (name, value) in of.as_object().into_iter().flatten() {
            answers[at][name] = value.clone();
        }
    }
    done["records"] = answers.into();
    Ok(done)
}

/// The first records that the job would give to the sink.
async fn first(
    redrives: &Redrives,
    herder: &Arc<Herder>,
    job: &Job,
    topic: Option<&str>,
    limit: usize,
) -> Result<Vec<(Position, OwnedMessage)>, HerderError> {
    let mut selected = Selected::by(job, redrives, herder, "redrive-try").await.map_err(HerderError::Failed)?;
    let (mut chosen, mut looked, mut bytes) = (Vec::new(), 0, 0);
    let mut next = Some(Position { partition: 0, offset: 0 });
    while let Some(from) = next.filter(|_| chosen.len() < limit && looked < LOOKED_MAX && bytes < BYTES_MAX) {
        let mut chunk = selected.read(from, 1_000, BYTES_MAX).await.map_err(HerderError::Failed)?;
        looked += chunk.messages.len();
        selected.pick(&mut chunk);
        let more = choose(redrives, job, &Default::default(), &mut chunk, false, topic);
        for (Letter { at, .. }, record) in more.letters.into_iter().zip(more.records) {
            bytes += record.payload().map_or(0, <[u8]>::len) + record.key().map_or(0, <[u8]>::len);
            if chosen.len() < limit && bytes < BYTES_MAX {
                chosen.push((at, record));
            }
        }
        next = chunk.next;
    }
    Ok(chosen)
}

async fn patched(patcher: &mut Patcher, record: &OwnedMessage) -> Result<OwnedMessage, Value> {
    loop {
        match patcher.apply(record) {
            Ok(patched) => return Ok(patched),
            Err(Undecoded::Failed(stage, e)) => {
                return Err(json!({"stage": stage.name(), "class": patcher.class(stage), "message": e.to_string()}));
            }
            Err(Undecoded::Wait(stage, wait)) => {
                if let Err(unavailable) = wait.await {
                    return Err(json!({"stage": stage.name(), "message": unavailable.to_string()}));
                }
            }
        }
    }
}

fn sample(m: &OwnedMessage) -> Sample {
    let headers = m.headers().into_iter().flat_map(|h| h.iter());
    Sample {
        topic: m.topic().to_owned(),
        partition: Some(m.partition()),
        offset: Some(m.offset()),
        timestamp: m.timestamp().to_millis(),
        key: m.key().map(<[u8]>::to_vec),
        value: m.payload().map(<[u8]>::to_vec),
        headers: headers.map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect(),
    }
}
