//! The dead letters that a job selects, read from its queue in their order. Errors are texts of what may pass.

use super::Redrives;
use super::choice::position;
use super::job::{Job, Selection};
use super::picked::Picked;
use super::queue::{CONSUMER_DEFAULTS, Chunk, QueueReader};
use crate::dlq::Position;
use crate::herder::Herder;

pub struct Selected {
    /// None while it reads.
    reader: Option<QueueReader>,
    /// None: all may be meant, or they are named.
    picked: Option<Picked>,
}

impl Selected {
    /// Asks the index where the job has a filter.
    pub async fn by(job: &Job, redrives: &Redrives, herder: &Herder, client_id: &str) -> Result<Self, String> {
        let (wanted, picked) = match &job.selection {
            Selection::All => (None, None),
            Selection::Positions(some) => (Some(some.clone()), None),
            Selection::Filter(filter) => (None, Some(Picked::by(filter, &redrives.queues, &job.queue, &job.until).await?)),
        };
        let config = herder.clients().consumer(client_id, &Default::default(), CONSUMER_DEFAULTS);
        let reader = QueueReader::new(&config, &job.queue, &job.until, wanted).map_err(|e| e.to_string())?;
        Ok(Selected { reader: Some(reader), picked })
    }

    /// What comes next in the queue; [`Selected::pick`] leaves what is meant.
    pub async fn read(&mut self, from: Position, records: usize, bytes: usize) -> Result<Chunk, String> {
        let mut reader = self.reader.take().expect("it is given back");
        let read = move || {
            let chunk = reader.read(from, records, bytes);
            (reader, chunk)
        };
        let (reader, chunk) = tokio::task::spawn_blocking(read).await.map_err(|e| e.to_string())?;
        self.reader = Some(reader);
        chunk.map_err(|e| e.to_string())
    }

    pub fn pick(&self, chunk: &mut Chunk) {
        if let Some(picked) = &self.picked {
            chunk.messages.retain(|m| picked.has(position(m)));
        }
    }
}
