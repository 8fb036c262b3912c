//! Invariant accepted-is-not-durable: whatever the order of acknowledgements, an offset is stored only when every record
//! before its mark is acknowledged, and released only when it is stored.

use std::collections::HashSet;

use millrace_record::{SourceOffset, Wake};
use proptest::prelude::*;
use rdkafka::error::RDKafkaErrorCode;
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::*;
use crate::kafka::outgoing::Refused;
use crate::kafka::producer::Sent;
use crate::task::settings::TaskSettings;
use crate::task::source::commit::{Batch, run};
use crate::task::supervise::Task;

/// Acknowledged parts, and what was stored.
#[derive(Default)]
struct Log {
    acknowledged: HashSet<usize>,
    /// The number of parts in each batch and those before it.
    ends: Vec<usize>,
    stored: Vec<usize>,
    broken: Option<String>,
}

struct Checking(Arc<Mutex<Log>>);

#[async_trait]
impl OffsetStore for Checking {
    async fn read(&self, _: &str) -> anyhow::Result<Vec<SourceOffset>> {
        Ok(Vec::new())
    }
    async fn write(&self, _: &str, offsets: &[SourceOffset]) -> anyhow::Result<()> {
        // Whoever releases before the write has ended is found out.
        tokio::task::yield_now().await;
        let mut log = self.0.lock();
        for o in offsets {
            let batch = o.offset["n"].as_u64().expect("ours") as usize;
            if let Some(missing) = (0..log.ends[batch]).find(|part| !log.acknowledged.contains(part)) {
                log.broken = Some(format!("offset {batch} was stored while part {missing} was not acknowledged"));
            }
            log.stored.push(batch);
        }
        Ok(())
    }
    async fn prepare(&self, _: &str, _: &[SourceOffset]) -> anyhow::Result<Prepared> {
        Ok(Prepared::default())
    }
    fn committed(&self, _: &str, _: &[SourceOffset]) {}
}

async fn check(parts: Vec<usize>, order: Vec<usize>, refused_at: Option<usize>) {
    let end = |sum: &mut usize, n: &usize| {
        *sum += n;
        Some(*sum)
    };
    let ends: Vec<usize> = parts.iter().scan(0, end).collect();
    let log = Arc::new(Mutex::new(Log { ends: ends.clone(), ..Log::default() }));
    let rig_events = Arc::<Events>::default();
    let runtime = Arc::new(TaskRuntime {
        worker: RawConfig::new(),
        schemas: Arc::default(),
        offsets: Arc::new(Checking(log.clone())),
        transactions_of: None,
        states: Arc::new(NoStates),
        events: rig_events,
        clients: Arc::new(ClientSettings::new("127.0.0.1:1", RawConfig::new())),
        plugins: Arc::new(NoPlugins),
        converters: Arc::new(converter),
        gates: None,
        holders: Arc::default(),
    });
    let spec = TaskSpec {
        id: TaskId { connector: "c".into(), task: 0 },
        plugin: Arc::new(Native::new(PluginKind::Source)),
        connector_config: [("offset.flush.interval.ms".to_owned(), "1".to_owned())].into(),
        task_config: RawConfig::new(),
        paused: false,
    };
    let settings = TaskSettings::new(&spec, &runtime.worker).expect("right settings");
    let (_target, target) = watch::channel(Target::Running);
    let task = Arc::new(Task::new(spec, runtime, settings, Arc::default(), target));
    let (sent, to_commit) = mpsc::channel(parts.len());
    let (stored, mut releasable) = mpsc::unbounded_channel::<Vec<SourceOffset>>();
    let mut acks: Vec<Option<oneshot::Sender<Vec<Refused>>>> = Vec::new();
    for (n, count) in parts.iter().enumerate() {
        let offsets = vec![SourceOffset { partition: json!({}), offset: json!({"n": n}) }];
        let mut batch = Batch { offsets, records: 1, ..Batch::default() };
        for _ in 0..*count {
            let (ack, settled) = oneshot::channel();
            acks.push(Some(ack));
            batch.sent.push(Sent::by(settled));
        }
        assert!(sent.send(batch).await.is_ok());
    }
    drop(sent);
    let plugins = task.plugin_log();
    let running = tokio::spawn(run(task, plugins, None, to_commit, stored, Wake::default()));
    for (i, part) in order.iter().enumerate() {
        let refused = refused_at == Some(*part);
        if !refused {
            log.lock().acknowledged.insert(*part);
        }
        let code = RDKafkaErrorCode::TopicAuthorizationFailed;
        let answer = refused.then(|| Refused { origin: 0, topic: "t".into(), code }).into_iter().collect();
        let _ = acks[*part].take().expect("once").send(answer);
        if i % 3 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let ended = running.await.expect("no panic");
    let log = log.lock();
    assert_eq!(log.broken, None);
    assert_eq!(ended.is_err(), refused_at.is_some());
    let mut released = Vec::new();
    while let Ok(offsets) = releasable.try_recv() {
        released.extend(offsets.iter().map(|o| o.offset["n"].as_u64().expect("ours") as usize));
    }
    assert_eq!(released, log.stored, "released is what was stored, in its order");
    assert!(log.stored.is_sorted());
    match refused_at {
        None => assert_eq!(log.stored.last(), Some(&(parts.len() - 1)), "in the end all is stored"),
        Some(at) => assert!(log.stored.iter().all(|n| ends[*n] <= at), "nothing from the refused record on"),
    }
}

fn workload() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, Option<usize>)> {
    prop::collection::vec(1..4usize, 1..12).prop_flat_map(|parts| {
        let n = parts.iter().sum::<usize>();
        (Just(parts), Just((0..n).collect::<Vec<_>>()).prop_shuffle(), prop::option::weighted(0.3, 0..n))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn an_offset_is_stored_when_all_before_it_is_acknowledged((parts, order, refused_at) in workload()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(check(parts, order, refused_at));
    }
}
