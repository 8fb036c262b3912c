//! Whole tasks with plugins of our own on an embedded broker.

mod commit;
mod sink;
mod source;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use millrace_broker::{Broker, BrokerConfig};
use millrace_record::config::ConfigDef;
use millrace_record::convert::converter;
use millrace_record::{Plugin, PluginInfo, PluginKind, RawConfig, SinkTask, SourceOffset, SourceTask, TaskContext, TaskError};
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::*;
use crate::kafka::client::ClientSettings;

const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const SOON: Duration = Duration::from_secs(30);

/// A broker, and what a worker would give to its tasks.
struct Rig {
    broker: Broker,
    runtime: Arc<TaskRuntime>,
    events: Arc<Events>,
    offsets: Arc<Offsets>,
    _dir: tempfile::TempDir,
}

#[derive(Default)]
struct Events(Mutex<Vec<(TaskId, TaskState)>>);

impl TaskEvents for Events {
    fn state(&self, id: &TaskId, state: TaskState) {
        self.0.lock().push((id.clone(), state));
    }
    fn active_topic(&self, _: &TaskId, _: &str) {}
}

/// What was stored; and how many writes are refused first.
#[derive(Default)]
struct Offsets(Mutex<Vec<SourceOffset>>, std::sync::atomic::AtomicU32);

#[async_trait]
impl OffsetStore for Offsets {
    async fn read(&self, _: &str) -> anyhow::Result<Vec<SourceOffset>> {
        Ok(self.0.lock().clone())
    }
    async fn write(&self, _: &str, offsets: &[SourceOffset]) -> anyhow::Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        let refused = self.1.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok();
        anyhow::ensure!(!refused, "Kafka is away");
        self.0.lock().extend_from_slice(offsets);
        Ok(())
    }
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

type Make<T> = Box<dyn Fn() -> Box<T> + Send + Sync>;

/// A plugin in the test's own process.
struct Native {
    info: PluginInfo,
    source: Option<Make<dyn SourceTask>>,
    sink: Option<Make<dyn SinkTask>>,
}

impl Native {
    fn new(kind: PluginKind) -> Self {
        let info = PluginInfo {
            kind,
            name: "native".into(),
            version: "1".into(),
            documentation: String::new(),
            class_names: Vec::new(),
            config: ConfigDef::default(),
            bindings: Vec::new(),
            capabilities: Vec::new(),
        };
        Native { info, source: None, sink: None }
    }
    fn sink<S: SinkTask + 'static>(make: impl Fn() -> S + Send + Sync + 'static) -> Arc<dyn Plugin> {
        Arc::new(Native { sink: Some(Box::new(move || Box::new(make()))), ..Native::new(PluginKind::Sink) })
    }
    fn source<S: SourceTask + 'static>(make: impl Fn() -> S + Send + Sync + 'static) -> Arc<dyn Plugin> {
        Arc::new(Native { source: Some(Box::new(move || Box::new(make()))), ..Native::new(PluginKind::Source) })
    }
}

#[async_trait]
impl Plugin for Native {
    fn info(&self) -> &PluginInfo {
        &self.info
    }
    fn check_grants(&self, _: &[String]) -> Result<(), TaskError> {
        Ok(())
    }
    async fn source(&self, _: TaskContext) -> Result<Box<dyn SourceTask>, TaskError> {
        Ok(self.source.as_ref().expect("a source")())
    }
    async fn sink(&self, _: TaskContext) -> Result<Box<dyn SinkTask>, TaskError> {
        Ok(self.sink.as_ref().expect("a sink")())
    }
}

impl Rig {
    async fn start(partitions: i32) -> Rig {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = BrokerConfig::new(dir.path());
        config.default_partitions = partitions;
        let broker = Broker::start(config).await.expect("a broker");
        let (events, offsets) = (Arc::<Events>::default(), Arc::<Offsets>::default());
        let runtime = TaskRuntime {
            worker: RawConfig::new(),
            schemas: Arc::default(),
            offsets: offsets.clone(),
            transactions_of: None,
            states: Arc::new(NoStates),
            events: events.clone(),
            clients: Arc::new(ClientSettings::new(broker.address().to_string(), RawConfig::new())),
            plugins: Arc::new(NoPlugins),
            converters: Arc::new(converter),
            gates: None,
            holders: Arc::default(),
        };
        Rig { broker, runtime: Arc::new(runtime), events, offsets, _dir: dir }
    }

    fn spec(&self, plugin: &Arc<dyn Plugin>, task: u32, config: &[(&str, &str)]) -> TaskSpec {
        let defaults = [("key.converter", STRING), ("value.converter", STRING), ("topics", "t")];
        let config: RawConfig = defaults.iter().chain(config).map(|(k, v)| (k.to_string(), v.to_string())).collect();
        TaskSpec {
            id: TaskId { connector: "c".into(), task },
            plugin: plugin.clone(),
            connector_config: config.clone(),
            task_config: config,
            paused: false,
        }
    }

    fn task(&self, plugin: &Arc<dyn Plugin>, task: u32, config: &[(&str, &str)]) -> TaskHandle {
        start(self.spec(plugin, task, config), self.runtime.clone())
    }

    /// Values `from..to` to topic `t`, to partition value % partitions.
    fn produce(&self, values: std::ops::Range<usize>, partitions: usize) {
        let client = self.runtime.clients.producer("test", &RawConfig::new(), &[("linger.ms", "1")]);
        let producer: BaseProducer = client.create().expect("a producer");
        for i in values {
            let value = i.to_string();
            let record: BaseRecord<'_, (), str> = BaseRecord::to("t").partition((i % partitions) as i32).payload(&value);
            producer.send(record).map_err(|(e, _)| e).expect("queued");
        }
        producer.flush(SOON).expect("all are acknowledged");
    }

    /// A record to partition 0 of topic `t`.
    fn produce_text(&self, value: &str) {
        let client = self.runtime.clients.producer("test", &RawConfig::new(), &[]);
        let producer: BaseProducer = client.create().expect("a producer");
        let record: BaseRecord<'_, (), str> = BaseRecord::to("t").partition(0).payload(value);
        producer.send(record).map_err(|(e, _)| e).expect("queued");
        producer.flush(SOON).expect("it is acknowledged");
    }

    /// What a partition 0 holds.
    fn read(&self, topic: &str) -> Vec<OwnedMessage> {
        let mut client = self.runtime.clients.consumer("test", &RawConfig::new(), &[("enable.partition.eof", "true")]);
        let consumer: BaseConsumer = client.set("group.id", "test").create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).expect("a place");
        consumer.assign(&list).expect("assigned");
        let (mut found, start) = (Vec::new(), Instant::now());
        loop {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(m)) => found.push(m.detach()),
                Some(Err(_)) => return found,
                None => assert!(start.elapsed() < SOON, "topic {topic} has no end"),
            }
        }
    }

    fn states(&self, task: u32) -> Vec<TaskState> {
        self.events.0.lock().iter().filter(|(id, _)| id.task == task).map(|(_, s)| s.clone()).collect()
    }

    async fn stop(self, tasks: Vec<TaskHandle>) {
        for t in tasks {
            assert!(t.stop(SOON).await, "{} stops", t.id());
        }
        self.broker.stop().await;
    }
}

/// Waits until `done`; the message says what else holds.
async fn until(what: &str, mut done: impl FnMut() -> bool, else_: impl Fn() -> String) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < SOON, "{what}: {}", else_());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
