//! Records that their sink refuses, the queue that they go to, and redrives of what is there, while things break. The sink
//! keeps its offsets with its rows, so that every row is there once, however it came.

mod feed;
mod jobs;
mod model;
mod redrive;

use std::time::Duration;

use anyhow::ensure;
use millrace_tests::{Caller, LogReader, eventually};
use serde_json::json;
use tokio::sync::watch;

use self::feed::{Feed, MENDED, WELL};
use self::jobs::Jobs;
use self::model::Model;
pub use self::redrive::{Redrive, What, draw};
use super::connectors::{letters_topic, with_patience};
use super::journal::Sums;
use super::stage::Stage;
use super::tally::Letters as Counts;

/// Where the worker keeps jobs and outcomes.
pub const LEDGER: &str = "redrives";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

pub struct Letters {
    generation: usize,
    feed: Feed,
    jobs: Jobs,
    model: Model,
    reader: Option<LogReader>,
}

fn queue(generation: usize) -> String {
    format!("g{generation}.dead")
}

/// The table at the target.
pub fn table(generation: usize) -> String {
    format!("letters_{generation}")
}

impl Letters {
    /// Makes the table and the connectors.
    pub async fn begin(stage: &mut Stage, generation: usize) -> anyhow::Result<Letters> {
        let (table, queue) = (table(generation), queue(generation));
        let make = format!(
            "create table {table} (id bigint not null, seq bigint not null, note text not null check (note in ('{WELL}', '{MENDED}')))"
        );
        eventually("the table is made", Duration::from_secs(30), || stage.target.execute("dst", &make)).await?;
        let from = stage.worker.dir().join(format!("letters-{generation}"));
        let feed = Feed::new(&from)?;
        let source = json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "file": from, "topic": letters_topic(generation),
            "key.converter": STRING, "value.converter": STRING, "retry.backoff.ms": "40", "retry.backoff.max.ms": "250",
        });
        let sink = with_patience(json!({
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "2",
            "topics": letters_topic(generation),
            "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/dst", stage.to_target.port),
            "connection.username": "postgres", "connection.password": "x", "collection.name.format": table,
            "insert.mode": "insert", "exactly.once": "true",
            "errors.tolerance": "all", "errors.deadletterqueue.topic.name": queue,
            "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
        }));
        let names = [format!("letters-{generation}"), format!("refused-{generation}")];
        stage.worker.create(&names[0], source).await?;
        stage.worker.create(&names[1], sink.clone()).await?;
        stage.sinks.push((names[1].clone(), sink));
        stage.connectors.extend(names);
        Ok(Letters { generation, feed, jobs: Jobs::new(&queue), model: Model::new(&queue), reader: None })
    }

    /// Writes records until it is told to stop, and asks for a redrive meanwhile.
    pub async fn round(&mut self, worker: Caller, redrive: Option<&Redrive>, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let waiting = self.model.waiting();
        let asking = self.jobs.round(worker, redrive, waiting, stop.clone());
        let (written, ()) = tokio::join!(self.feed.write(stop), asking);
        written
    }

    pub fn counted(&self) -> Counts {
        Counts { jobs: self.jobs.ended, cancelled: self.jobs.cancelled, ..self.model.counted() }
    }

    /// `Err`: a promise is broken for good. `Ok(Err)`: all is not there yet.
    pub async fn compare(&mut self, stage: &Stage) -> anyhow::Result<anyhow::Result<()>> {
        if let Err(later) = tokio::task::block_in_place(|| self.read(stage))? {
            return Ok(Err(later));
        }
        self.model.check()?;
        let there = async {
            self.model.complete(self.feed.written)?;
            self.jobs.complete(&stage.worker.caller(), &self.model).await?;
            self.same_rows(stage).await?;
            self.same_index(stage).await
        };
        Ok(there.await)
    }

    /// What is new in the log. What comes of something is read before that, so that all that was read has its cause.
    fn read(&mut self, stage: &Stage) -> anyhow::Result<anyhow::Result<()>> {
        if self.reader.is_none() {
            let topics = vec![LEDGER.to_owned(), queue(self.generation), letters_topic(self.generation)];
            self.reader = Some(LogReader::new(&stage.bootstrap, topics)?);
        }
        let reader = self.reader.as_mut().expect("just made");
        let (once, mut broken) = (stage.kind.exactly_once, None);
        let read = reader.read(|record| self.model.show(&record, once).inspect_err(|e| broken = Some(format!("{e:#}"))));
        match broken {
            Some(why) => Err(anyhow::anyhow!(why)),
            None => Ok(read),
        }
    }

    /// The table has what was well, and what was mended, once each.
    async fn same_rows(&self, stage: &Stage) -> anyhow::Result<()> {
        let rows =
            |note: &str| format!("select {} from {} where id = seq and note = '{note}'", Sums::SQL, table(self.generation));
        let both = stage.target.query("dst", &format!("{} union all {}", rows(WELL), rows(MENDED))).await?;
        let expected = [self.model.well, self.model.mended].map(|s| format!("{}|{}|{}", s.count, s.sum, s.squares));
        ensure!(both == expected, "of records that were well, and of mended ones, the target has {both:?}, not {expected:?}");
        Ok(())
    }

    /// The index of the queue knows each outcome.
    async fn same_index(&self, stage: &Stage) -> anyhow::Result<()> {
        let expected = self.model.by_outcome();
        if expected.is_empty() {
            return Ok(());
        }
        let (status, summary) = stage.worker.get(&format!("/dlq/{}/summary", queue(self.generation))).await?;
        let outcomes = summary["outcomes"].as_array().into_iter().flatten();
        let mut shown: Vec<_> = outcomes.map(|o| (o["outcome"].as_str().unwrap_or("?"), o["records"].as_u64())).collect();
        shown.sort_unstable();
        let expected: Vec<_> = expected.into_iter().map(|(outcome, n)| (outcome, Some(n))).collect();
        ensure!(shown == expected, "the index of the queue has {shown:?}, not {expected:?}: {status} {summary}");
        Ok(())
    }
}
