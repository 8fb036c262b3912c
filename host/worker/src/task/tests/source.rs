use std::collections::VecDeque;

use millrace_record::convert::{Converter, NotConverted};
use millrace_record::row::{BatchWriter, RecordMeta, Row, RowBuf};
use millrace_record::{Batch, ErrorKind, Mark, Polled};
use serde_json::json;

use super::*;

/// One poll: each record's value as schemaless JSON text, and its number as the offset after it.
fn poll(topic: &str, values: &[String], through: u64) -> Polled {
    let mut writer = BatchWriter::new();
    for value in values {
        let topic = writer.topic(topic);
        writer.begin(RecordMeta { topic, partition: None, offset: None, timestamp: None, key_schema: None, value_schema: None });
        writer
            .value_with(|rows| {
                let row = rows.begin(1);
                rows.text(row, 0, &format!("\"{value}\""));
                Ok::<_, TaskError>(Some(None))
            })
            .expect("no error");
        writer.end();
    }
    let offset = SourceOffset { partition: json!({"p": 0}), offset: json!({"n": through}) };
    let marks = vec![Mark { through: values.len() as u32, offset, boundary: true }];
    Polled { records: Batch::trusted(writer), marks, idle: None }
}

#[derive(Default)]
struct Told {
    polls: VecDeque<Result<Polled, TaskError>>,
    starts: VecDeque<Result<(), TaskError>>,
    committed: Vec<SourceOffset>,
    started: usize,
}

struct TestSource(Arc<Mutex<Told>>);

#[async_trait]
impl SourceTask for TestSource {
    async fn start(&mut self, _: &[SourceOffset]) -> Result<(), TaskError> {
        let mut told = self.0.lock();
        told.started += 1;
        told.starts.pop_front().unwrap_or(Ok(()))
    }
    async fn poll(&mut self, _: u32, _: u32) -> Result<Polled, TaskError> {
        let idle = || Polled { records: Batch::empty(), marks: Vec::new(), idle: Some(Duration::from_millis(5)) };
        self.0.lock().polls.pop_front().unwrap_or_else(|| Ok(idle()))
    }
    async fn commit(&mut self, offsets: &[SourceOffset]) -> Result<(), TaskError> {
        self.0.lock().committed.extend_from_slice(offsets);
        Ok(())
    }
    async fn stop(&mut self) {}
}

fn source(polls: Vec<Result<Polled, TaskError>>, starts: Vec<Result<(), TaskError>>) -> (Arc<dyn Plugin>, Arc<Mutex<Told>>) {
    let told = Arc::new(Mutex::new(Told { polls: polls.into(), starts: starts.into(), ..Told::default() }));
    let of = told.clone();
    (Native::source(move || TestSource(of.clone())), told)
}

const FAST: [(&str, &str); 2] = [("offset.flush.interval.ms", "10"), ("retry.backoff.ms", "10")];

fn too_large() -> Vec<Result<Polled, TaskError>> {
    let big = "x".repeat(2 << 20);
    vec![Ok(poll("s", &["a".into(), big, "b".into()], 3))]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_log_refuses_is_skipped_where_that_is_tolerated() {
    let rig = Rig::start(1).await;
    let (plugin, told) = source(too_large(), Vec::new());
    let task = rig.task(&plugin, 0, &[&FAST[..], &[("errors.tolerance", "all")]].concat());
    until("the offset is released", || !told.lock().committed.is_empty(), || format!("{:?}", rig.states(0))).await;
    let found = rig.read("s");
    assert_eq!(found.iter().map(|m| m.payload()).collect::<Vec<_>>(), [Some(&b"a"[..]), Some(&b"b"[..])]);
    let c = task.counters();
    assert_eq!((c.polled.get(), c.produced.get(), c.skipped.get(), c.failures.get()), (3, 2, 1, 1));
    assert_eq!(c.source_unaccounted(), 0);
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_log_refuses_fails_the_task_and_moves_no_offset() {
    let rig = Rig::start(1).await;
    let (plugin, told) = source(too_large(), Vec::new());
    let task = rig.task(&plugin, 0, &FAST);
    let failed = || rig.states(0).iter().any(|s| matches!(s, TaskState::Failed { trace } if trace.contains("max.request.size")));
    until("it fails", failed, || format!("{:?}", rig.states(0))).await;
    assert_eq!((rig.offsets.0.lock().len(), told.lock().committed.len()), (0, 0));
    rig.stop(vec![task]).await;
}

/// Needs for one value what never comes.
struct Waiting {
    inner: Box<dyn Converter>,
    value: &'static str,
    waits: Arc<Mutex<bool>>,
}

impl Converter for Waiting {
    fn encode(
        &mut self,
        topic: &str,
        schema: Option<u32>,
        row: Option<Row<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<bool, NotConverted> {
        let from = out.len();
        let some = self.inner.encode(topic, schema, row, out)?;
        if &out[from..] == self.value.as_bytes() {
            *self.waits.lock() = true;
            return Err(NotConverted::Wait(Box::pin(std::future::pending())));
        }
        Ok(some)
    }
    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>, rows: &mut RowBuf) -> Result<Option<Option<u32>>, NotConverted> {
        self.inner.decode(topic, bytes, rows)
    }
}

/// The value "b" waits for what never comes; answers whether it does by now.
fn b_waits(rig: &mut Rig) -> Arc<Mutex<bool>> {
    let waits = Arc::<Mutex<bool>>::default();
    let shared = waits.clone();
    let factory = move |class: &str, is_key: bool, config: &RawConfig, schemas: &Arc<millrace_record::Schemas>| {
        let inner = converter(class, is_key, config, schemas)?;
        Ok::<_, String>(Box::new(Waiting { inner, value: "b", waits: shared.clone() }) as Box<dyn Converter>)
    };
    Arc::get_mut(&mut rig.runtime).expect("nobody has it yet").converters = Arc::new(factory);
    waits
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_schema_when_the_task_stops_comes_again_with_all_behind_it() {
    let mut rig = Rig::start(1).await;
    let waits = b_waits(&mut rig);
    let polls = ["a", "b", "c"].into_iter().zip(1..).map(|(value, n)| Ok(poll("s", &[value.into()], n))).collect();
    let (plugin, told) = source(polls, Vec::new());
    let task = rig.task(&plugin, 0, &FAST);
    let begun = || *waits.lock() && told.lock().polls.is_empty();
    until("the second waits, and the third stands behind it", begun, || format!("{:?}", rig.states(0))).await;
    assert!(task.stop(SOON).await);
    let found = rig.read("s");
    assert_eq!(found.iter().map(|m| m.payload()).collect::<Vec<_>>(), [Some(&b"a"[..])]);
    let stored: Vec<_> = rig.offsets.0.lock().iter().map(|o| o.offset["n"].clone()).collect();
    assert!(stored.iter().all(|n| *n == 1), "{stored:?}");
    rig.stop(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_not_forgotten_because_what_was_sent_is_not_acknowledged_in_time() {
    let mut rig = Rig::start(1).await;
    let _ = b_waits(&mut rig);
    rig.offsets.1.store(1, std::sync::atomic::Ordering::SeqCst);
    let polls = ["a", "b"].into_iter().zip(1..).map(|(value, n)| Ok(poll("s", &[value.into()], n))).collect();
    let (plugin, told) = source(polls, Vec::new());
    let task = rig.task(&plugin, 0, &[&FAST[..], &[("offset.flush.timeout.ms", "50")]].concat());
    until("it starts again", || told.lock().started == 2, || format!("{:?}", rig.states(0))).await;
    let failed = |s: &TaskState| matches!(s, TaskState::Failed { trace } if trace.contains("Kafka is away"));
    assert!(rig.states(0).iter().any(failed), "{:?}", rig.states(0));
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_may_pass_is_tried_until_it_does() {
    let rig = Rig::start(1).await;
    let down = || Err(TaskError::new(ErrorKind::Retriable, "postgres.connection", "cannot reach the database"));
    let polls = vec![Ok(poll("s", &["a".into()], 1))];
    let (plugin, told) = source(polls, vec![down(), down(), Ok(())]);
    let task = rig.task(&plugin, 0, &FAST);
    until("the offset is released", || !told.lock().committed.is_empty(), || format!("{:?}", rig.states(0))).await;
    let states = rig.states(0);
    let traces: Vec<&str> =
        states.iter().filter_map(|s| if let TaskState::Failed { trace } = s { Some(trace.as_str()) } else { None }).collect();
    assert!(traces[0].contains("cannot reach the database") && traces[0].contains("tries again by itself"), "{traces:?}");
    assert_eq!((states.last(), told.lock().started), (Some(&TaskState::Running), 3));
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_pass_fails_the_task_and_says_what_to_do() {
    let rig = Rig::start(1).await;
    let starts = vec![
        Err(TaskError::config("slot.name", "replication slot \"a b\" has a blank")),
        Err(TaskError::fatal("postgres.wal", "wal_level is replica; set it to logical")),
    ];
    let (plugin, told) = source(vec![Ok(poll("s", &["a".into()], 1))], starts);
    for (n, remedy) in [(1, "Correct \"slot.name\""), (2, "Remove its cause, then POST /connectors/c/tasks/0/restart")] {
        let task = rig.task(&plugin, 0, &[&FAST[..], &[("task.restart.fatal.max.attempts", "0")]].concat());
        let failed = || rig.states(0).iter().any(|s| matches!(s, TaskState::Failed { trace } if trace.contains(remedy)));
        until("it fails", failed, || format!("{:?}", rig.states(0))).await;
        assert_eq!(told.lock().started, n, "it is not tried again");
        assert!(task.stop(SOON).await);
    }
    // What the herder does on a restart: the same task anew.
    let task = rig.task(&plugin, 0, &FAST);
    until("the offset is released", || !told.lock().committed.is_empty(), || format!("{:?}", rig.states(0))).await;
    rig.stop(vec![task]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_as_the_connector_says() {
    let rig = Rig::start(1).await;
    let (plugin, told) = source(vec![Ok(poll("made", &["a".into()], 1)), Ok(poll("other", &["b".into()], 2))], Vec::new());
    let config = [
        ("topic.creation.default.partitions", "3"),
        ("topic.creation.default.replication.factor", "1"),
        ("topic.creation.groups", "one"),
        ("topic.creation.one.include", "oth.*"),
        ("topic.creation.one.partitions", "2"),
    ];
    let task = rig.task(&plugin, 0, &[&FAST[..], &config].concat());
    let stored = || rig.offsets.0.lock().last().is_some_and(|o| o.offset["n"] == 2);
    until("all is stored", stored, || format!("{:?} {}", rig.states(0), told.lock().started)).await;
    let consumer: BaseConsumer = rig.runtime.clients.consumer("test", &RawConfig::new(), &[]).create().expect("a consumer");
    for (topic, partitions) in [("made", 3), ("other", 2)] {
        let metadata = consumer.fetch_metadata(Some(topic), SOON).expect("metadata");
        assert_eq!(metadata.topics()[0].partitions().len(), partitions, "{topic}");
    }
    rig.stop(vec![task]).await;
}
