//! What a whole source task does: `source_task ADDRESS [RECORDS]` polls records of ten columns, makes JSON of them, produces
//! them with the default settings and waits for their acknowledgements; then one record a millisecond for five seconds.
//!
//! Prints records a second and CPU-seconds of this process a million records, then the times from poll to topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use millrace_record::config::ConfigDef;
use millrace_record::convert::converter;
use millrace_record::row::{BatchWriter, RecordMeta};
use millrace_record::{
    Batch, Kind, Mark, Plugin, PluginInfo, PluginKind, Polled, RawConfig, Schema, Schemas, SourceOffset, SourceTask, TaskContext,
    TaskError,
};
use millrace_worker::kafka::client::ClientSettings;
use millrace_worker::task::*;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;

/// Records of one poll.
const BATCH: usize = 4096;
/// Records that are polled one by one.
const TIMED: usize = 5_000;

struct Quiet;

impl TaskEvents for Quiet {
    fn state(&self, id: &TaskId, state: TaskState) {
        if let TaskState::Failed { trace } = state {
            eprintln!("{id}: {trace}");
        }
    }
    fn active_topic(&self, _: &TaskId, _: &str) {}
}

/// How far offsets are stored.
#[derive(Default)]
struct Stored(AtomicU64);

#[async_trait]
impl OffsetStore for Stored {
    async fn read(&self, _: &str) -> anyhow::Result<Vec<SourceOffset>> {
        Ok(Vec::new())
    }
    async fn write(&self, _: &str, offsets: &[SourceOffset]) -> anyhow::Result<()> {
        let n = offsets.last().and_then(|o| o.offset["n"].as_u64()).unwrap_or_default();
        self.0.store(n, Ordering::SeqCst);
        Ok(())
    }
    // Of transactions, which this source does not write in.
    async fn prepare(&self, _: &str, _: &[SourceOffset]) -> anyhow::Result<Prepared> {
        Ok(Prepared::default())
    }
    fn committed(&self, _: &str, _: &[SourceOffset]) {}
}

struct NoPlugins;

impl PluginLookup for NoPlugins {
    fn find(&self, class: &str, _: PluginKind, _: Option<&str>) -> Result<Arc<dyn Plugin>, TaskError> {
        Err(TaskError::config("transforms", format!("there is no {class}")))
    }
}

/// Ten columns, as a table's row.
struct Rows {
    topic: String,
    bulk: usize,
    schema: u32,
    next: AtomicUsize,
    timed_from: Option<Instant>,
}

impl Rows {
    fn batch(&self, n: usize) -> Polled {
        let from = self.next.fetch_add(n, Ordering::SeqCst);
        let mut writer = BatchWriter::with_capacity(n * 400);
        let topic = writer.topic(&self.topic);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64;
        for i in from..from + n {
            let meta = RecordMeta {
                topic,
                partition: None,
                offset: None,
                timestamp: None,
                key_schema: None,
                value_schema: Some(self.schema),
            };
            writer.begin(meta);
            let filled = writer.value_with(|rows| {
                let row = rows.begin(10);
                rows.i64(row, 0, i as i64);
                rows.i64(row, 1, at);
                for column in 2..10 {
                    rows.text(row, column, "a column's text of some forty characters, or so");
                }
                Ok::<_, TaskError>(Some(Some(self.schema)))
            });
            filled.unwrap_or_default();
            writer.end();
        }
        let offset = SourceOffset { partition: serde_json::json!({}), offset: serde_json::json!({"n": from + n}) };
        let marks = vec![Mark { through: n as u32, offset, boundary: true }];
        Polled { records: Batch::trusted(writer), marks, idle: None }
    }
}

#[async_trait]
impl SourceTask for Rows {
    async fn start(&mut self, _: &[SourceOffset]) -> Result<(), TaskError> {
        Ok(())
    }
    async fn poll(&mut self, _: u32, _: u32) -> Result<Polled, TaskError> {
        let next = self.next.load(Ordering::SeqCst);
        if next < self.bulk {
            return Ok(self.batch(BATCH.min(self.bulk - next)));
        }
        let idle = || Polled { records: Batch::empty(), marks: Vec::new(), idle: Some(Duration::from_secs(2)) };
        let Some(from) = self.timed_from else {
            // The bulk ends before the timed part begins.
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.timed_from = Some(Instant::now());
            return Ok(Polled { idle: None, ..idle() });
        };
        if next >= self.bulk + TIMED {
            return Ok(idle());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        let due = (from.elapsed().as_millis() as usize).min(TIMED).saturating_sub(next - self.bulk);
        Ok(if due == 0 { Polled { idle: None, ..idle() } } else { self.batch(due) })
    }
    async fn commit(&mut self, _: &[SourceOffset]) -> Result<(), TaskError> {
        Ok(())
    }
    async fn stop(&mut self) {}
}

struct TenColumns {
    info: PluginInfo,
    topic: String,
    bulk: usize,
    schema: u32,
}

#[async_trait]
impl Plugin for TenColumns {
    fn info(&self) -> &PluginInfo {
        &self.info
    }
    fn check_grants(&self, _: &[String]) -> Result<(), TaskError> {
        Ok(())
    }
    async fn source(&self, _: TaskContext) -> Result<Box<dyn SourceTask>, TaskError> {
        let (topic, next) = (self.topic.clone(), AtomicUsize::new(0));
        Ok(Box::new(Rows { topic, bulk: self.bulk, schema: self.schema, next, timed_from: None }))
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("usage: source_task ADDRESS [RECORDS]")?;
    let bulk: usize = arguments.next().map_or(Ok(1_000_000), |a| a.parse())?;
    let topic = format!("source-task-{}", std::process::id());
    let schemas = Schemas::new();
    let text = (2..10).map(|i| (format!("column_{i}"), Schema::new(Kind::Text)));
    let columns = [("id".to_owned(), Schema::new(Kind::Int64)), ("at".to_owned(), Schema::new(Kind::Int64))];
    let schema = schemas.intern(Schema::record(columns.into_iter().chain(text)));
    let info = PluginInfo {
        kind: PluginKind::Source,
        name: "ten-columns".into(),
        version: "1".into(),
        documentation: String::new(),
        class_names: Vec::new(),
        config: ConfigDef::default(),
        bindings: Vec::new(),
        capabilities: Vec::new(),
    };
    let clients = Arc::new(ClientSettings::new(&address, RawConfig::new()));
    let stored = Arc::new(Stored::default());
    let runtime = Arc::new(TaskRuntime {
        worker: [("value.converter.schemas.enable".to_owned(), "false".to_owned())].into(),
        schemas,
        offsets: stored.clone(),
        transactions_of: None,
        states: Arc::new(NoStates),
        events: Arc::new(Quiet),
        clients: clients.clone(),
        plugins: Arc::new(NoPlugins),
        converters: Arc::new(converter),
        gates: None,
        holders: Arc::default(),
    });
    let spec = TaskSpec {
        id: TaskId { connector: "source".into(), task: 0 },
        plugin: Arc::new(TenColumns { info, topic: topic.clone(), bulk, schema }),
        connector_config: RawConfig::new(),
        task_config: RawConfig::new(),
        paused: false,
    };
    let (started, before) = (Instant::now(), cpu()?);
    let task = start(spec, runtime);
    let reach = async |n: usize| {
        while (stored.0.load(Ordering::SeqCst) as usize) < n {
            ensure!(started.elapsed() < Duration::from_secs(300), "only {} of {n} are stored", stored.0.load(Ordering::SeqCst));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(started.elapsed().as_secs_f64())
    };
    let took = reach(bulk).await?;
    let spent = cpu()? - before;
    let bytes = task.counters().bytes.get() / bulk.max(1) as u64;
    println!(
        "{:.0} records/s, {:.2} CPU-s a million, {bulk} records of {bytes} bytes",
        bulk as f64 / took,
        spent * 1e6 / bulk as f64
    );
    // Whoever consumes is there before the timed part begins.
    let client = clients.consumer("times", &RawConfig::new(), &[("group.id", "times")]);
    let timing = tokio::task::spawn_blocking(move || times(&client, &topic, bulk as i64));
    let mut waited = timing.await??;
    reach(bulk + TIMED).await?;
    waited.sort_unstable();
    let at = |part: f64| waited[((waited.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    println!(
        "from poll to a consumer at 1,000 records/s: p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    task.stop(Duration::from_secs(10)).await;
    Ok(())
}

/// Microseconds from the poll of each timed record to its arrival here.
fn times(client: &rdkafka::ClientConfig, topic: &str, from: i64) -> anyhow::Result<Vec<i64>> {
    let consumer: BaseConsumer = client.create()?;
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, 0, rdkafka::Offset::Offset(from))?;
    consumer.assign(&list)?;
    let (mut waited, mut last) = (Vec::with_capacity(TIMED), Instant::now());
    while waited.len() < TIMED {
        // An event that is no record answers none, long before the time is over.
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            ensure!(last.elapsed() < Duration::from_secs(30), "no record came for 30 s");
            continue;
        };
        let message = message?;
        last = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
        let value: serde_json::Value = serde_json::from_slice(message.payload().unwrap_or_default())?;
        waited.push(now - value["at"].as_i64().context("no time in the record")?);
    }
    Ok(waited)
}

/// CPU-seconds of this process, by all of its threads.
fn cpu() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).context("no CPU time in /proc/self/stat");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
