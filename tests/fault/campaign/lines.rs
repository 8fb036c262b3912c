//! Lines of a file on their way through the log to another file, counted by a transform that keeps its count in its state.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_tests::LogReader;
use rdkafka::Message;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::connectors::{lines_topic, with_patience};
use super::stage::Stage;

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
/// Between two lines.
const PAUSE: Duration = Duration::from_millis(8);

pub struct Lines {
    generation: usize,
    input: std::fs::File,
    output: PathBuf,
    written: usize,
    reader: Option<LogReader>,
    /// The next line that the log has not shown.
    next: usize,
    /// Records in the log.
    records: usize,
    pub duplicates: u64,
}

impl Lines {
    /// Makes the connectors; answers their names too.
    pub async fn begin(stage: &Stage, generation: usize) -> anyhow::Result<(Lines, Vec<String>)> {
        let (from, to) =
            (stage.worker.dir().join(format!("in-{generation}")), stage.worker.dir().join(format!("out-{generation}")));
        let input = std::fs::File::options().create(true).append(true).open(&from)?;
        let of_lines = |mut config: Value| {
            config["key.converter"] = STRING.into();
            config["value.converter"] = STRING.into();
            config["tasks.max"] = "1".into();
            with_patience(config)
        };
        let source = json!({ "connector.class": "FileStreamSource", "file": from, "topic": lines_topic(generation) });
        let sink = json!({
            "connector.class": "FileStreamSink", "file": to, "topics": lines_topic(generation),
            "transforms": "count", "transforms.count.type": "test.Count",
        });
        let (lines, counted) = (format!("lines-{generation}"), format!("counted-{generation}"));
        stage.worker.create(&lines, of_lines(source)).await?;
        stage.worker.create(&counted, of_lines(sink)).await?;
        let made = Lines { generation, input, output: to, written: 0, reader: None, next: 0, records: 0, duplicates: 0 };
        Ok((made, vec![lines, counted]))
    }

    /// Writes until it is told to stop.
    pub async fn write(&mut self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        while !*stop.borrow_and_update() {
            self.input.write_all(format!("line {}\n", self.written).as_bytes())?;
            self.written += 1;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// `Err`: a promise is broken for good. `Ok(Err)`: all is not there yet.
    pub fn compare(&mut self, stage: &Stage) -> anyhow::Result<anyhow::Result<()>> {
        if self.reader.is_none() {
            self.reader = Some(LogReader::new(&stage.bootstrap, vec![lines_topic(self.generation)])?);
        }
        let reader = self.reader.as_mut().expect("just made");
        let mut shown = Vec::new();
        let read = reader.read(|record| {
            shown.push(String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned());
            Ok(())
        });
        for line in shown {
            let n: usize =
                line.strip_prefix("line ").and_then(|n| n.parse().ok()).with_context(|| format!("{line:?} was never written"))?;
            ensure!(n <= self.next && n < self.written, "line {n} is in the log before line {}", self.next);
            if n < self.next {
                ensure!(!stage.kind.exactly_once, "line {n} is in the log again, where each is promised once");
                self.duplicates += 1;
            }
            self.next = self.next.max(n + 1);
            self.records += 1;
        }
        Ok(read.and_then(|()| self.complete()))
    }

    fn complete(&self) -> anyhow::Result<()> {
        ensure!(self.next == self.written, "lines {} to {} are not in the log", self.next, self.written);
        let text = std::fs::read_to_string(&self.output)?;
        // What was seen, and what was counted once; the last line may be half written, and so may one that a kill has cut off.
        let once = text
            .split_inclusive('\n')
            .filter(|l| l.ends_with('\n'))
            .filter_map(|l| l.trim().trim_matches('"').split_once(' ')?.1.parse().ok());
        let most: usize = once.max().unwrap_or_default();
        ensure!(most == self.records, "the transform has counted {most} of {} lines in the log", self.records);
        Ok(())
    }
}
