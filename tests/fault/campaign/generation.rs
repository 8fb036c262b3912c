//! One life of connectors on a stage: it begins with a snapshot, and every round ends with the question whether the model, the
//! log and the targets agree.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_tests::LogReader;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rdkafka::Message;
use tokio::sync::watch;

use super::connectors::{self, Promise, topic};
use super::fault::Planned;
use super::journal::{Journal, Sums};
use super::letters::{Letters, Redrive};
use super::lines::Lines;
use super::stage::Stage;
use super::tally::{self, Round};
use super::writer::{TABLES, Writer, table};

/// How long all has to be right again after everything that broke was mended; long, for a machine that has much else to do.
const SETTLE_WITHIN: Duration = Duration::from_secs(180);
/// The writer goes on for a moment behind the last fault.
const AFTERWARDS: Duration = Duration::from_millis(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

pub struct Generation {
    pub number: usize,
    pub journal: Journal,
    pub lines: Lines,
    letters: Letters,
    writer: Writer,
    reader: Option<LogReader>,
    /// Rows that the sink that promises nothing more has twice.
    pub sink_duplicates: i64,
}

impl Generation {
    pub async fn begin(stage: &mut Stage, number: usize, seed: u64) -> anyhow::Result<Generation> {
        let mut journal = Journal::default();
        let mut writer = Writer::new(StdRng::seed_from_u64(seed));
        writer.begin(&stage.source, &mut journal).await?;
        connectors::create(stage, number).await?;
        let (lines, names) = Lines::begin(stage, number).await?;
        stage.connectors.extend(names);
        let letters = Letters::begin(stage, number).await?;
        Ok(Generation { number, journal, lines, letters, writer, reader: None, sink_duplicates: 0 })
    }

    fn counted(&self) -> (u64, u64, i64, tally::Letters) {
        let again = self.journal.duplicates + self.lines.duplicates;
        (self.journal.committed, again, self.sink_duplicates, self.letters.counted())
    }

    /// Writes while what is planned breaks, and asks for a redrive; then all is mended, and everything is compared.
    pub async fn round(&mut self, stage: &mut Stage, plan: &[Planned], redrive: Option<&Redrive>) -> anyhow::Result<Round> {
        self.round_within(stage, plan, redrive, SETTLE_WITHIN).await
    }

    pub async fn round_within(
        &mut self,
        stage: &mut Stage,
        plan: &[Planned],
        redrive: Option<&Redrive>,
        settle: Duration,
    ) -> anyhow::Result<Round> {
        let (begun, before) = (Instant::now(), self.counted());
        let (stop, stopped) = watch::channel(false);
        // The writer goes to the source by itself while the stage is broken: it needs the port alone.
        let source = stage.source.port;
        let writing = self.writer.write(source, &mut self.journal, stopped.clone());
        let lines = self.lines.write(stopped.clone());
        let letters = self.letters.round(stage.worker.caller(), redrive, stopped);
        let breaking = async {
            let broken = async {
                stage.strike(plan).await?;
                stage.heal().await
            }
            .await;
            tokio::time::sleep(AFTERWARDS).await;
            stop.send_replace(true);
            broken
        };
        let (written, lines, letters, broken) = tokio::join!(writing, lines, letters, breaking);
        broken.context("the stage does not heal")?;
        written.context("the writer")?;
        lines.context("the writer of lines")?;
        letters.context("the writer of letters")?;
        self.check(stage, settle).await?;
        let after = self.counted();
        Ok(Round {
            letters: after.3.since(before.3),
            changes: after.0 - before.0,
            log_duplicates: after.1 - before.1,
            sink_duplicates: after.2 - before.2,
            took: begun.elapsed(),
        })
    }

    async fn check(&mut self, stage: &Stage, within: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            match self.compare(stage).await? {
                Ok(()) => return Ok(()),
                Err(why) if begun.elapsed() > within => {
                    return Err(why.context(format!("not right within {within:?}")));
                }
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// `Err`: a promise is broken for good. `Ok(Err)`: all is not there yet.
    async fn compare(&mut self, stage: &Stage) -> anyhow::Result<anyhow::Result<()>> {
        let read = tokio::task::block_in_place(|| self.read(stage))?;
        let lines = tokio::task::block_in_place(|| self.lines.compare(stage))?;
        let there = async {
            read?;
            lines?;
            self.journal.complete()?;
            for t in 0..TABLES {
                self.same_rows(stage, t).await?;
            }
            let least = self.added(stage, Promise::AtLeastOnce).await?;
            ensure!(
                least.1 == self.journal.distinct as i64,
                "{} of {} changes are in the table of all",
                least.1,
                self.journal.distinct
            );
            let (once, _) = self.added(stage, Promise::Once).await?;
            let log = self.journal.rows;
            ensure!(once == log, "the sink that writes once has {once:?}, the log {log:?}");
            self.sink_duplicates = least.0.count - log.count;
            Ok(())
        }
        .await;
        match there {
            Ok(()) => self.letters.compare(stage).await,
            later => Ok(later),
        }
    }

    /// What is new in the log. As for [`Generation::compare`].
    fn read(&mut self, stage: &Stage) -> anyhow::Result<anyhow::Result<()>> {
        if self.reader.is_none() {
            let topics = (0..TABLES).map(|i| topic(self.number, i)).collect();
            self.reader = Some(LogReader::new(&stage.bootstrap, topics)?);
        }
        let reader = self.reader.as_mut().expect("just made");
        let (number, once, mut broken) = (self.number, stage.kind.exactly_once, None);
        let read = reader.read(|record| {
            let t = (0..TABLES).find(|t| topic(number, *t) == record.topic()).context("it is a topic that was asked for")?;
            self.journal.show(t, &record, once).inspect_err(|e| broken = Some(format!("{e:#}")))
        });
        match broken {
            Some(why) => Err(anyhow::anyhow!(why)),
            None => Ok(read),
        }
    }

    /// Row for row, as text.
    async fn same_rows(&self, stage: &Stage, t: usize) -> anyhow::Result<()> {
        let digest = |name: &str| {
            format!(
                "select count(*), sum(seq), md5(coalesce(string_agg(r::text, ';' order by id), '')) from (select id, seq, note from {name}) r"
            )
        };
        let source = stage.source.query("src", &digest(&table(t))).await?;
        let target = stage.target.query("dst", &digest(&Promise::Upsert.table(self.number, t))).await;
        match target {
            Ok(target) => ensure!(source == target, "{}: source {source:?}, target {target:?}", table(t)),
            Err(e) => ensure!(source[0].starts_with("0|"), "{}: {e}", table(t)),
        }
        Ok(())
    }

    /// What a sink that adds a row for each record has, and how many changes that is.
    async fn added(&self, stage: &Stage, promise: Promise) -> anyhow::Result<(Sums, i64)> {
        let tables: Vec<_> = (0..TABLES).map(|t| format!("select seq from {}", promise.table(self.number, t))).collect();
        let sql = format!("select {}, count(distinct seq) from ({}) r", Sums::SQL, tables.join(" union all "));
        let row = stage.target.query("dst", &sql).await?;
        let numbers: Vec<i64> = row[0].split('|').map(str::parse).collect::<Result<_, _>>()?;
        let [count, sum, squares, distinct] = numbers[..] else { anyhow::bail!("{row:?}") };
        Ok((Sums { count, sum, squares }, distinct))
    }
}
