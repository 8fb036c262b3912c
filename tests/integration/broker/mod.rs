//! The embedded broker, driven by librdkafka as any client drives it. With `MILLRACE_TEST_KAFKA=host:port` the checks that
//! make sense there run against that Kafka instead; those that kill or look into the broker are left out and say so.

mod admin;
mod consume;
mod durability;
mod groups;
mod hostile;
mod produce;
mod speed;
mod transactions;

use anyhow::{Context, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No single step of a check takes longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The broker under test.
pub struct Cluster {
    pub address: String,
    own: Option<Own>,
}

struct Own {
    child: Child,
    dir: tempfile::TempDir,
    arguments: Vec<String>,
}

/// The serving example, built beside the tests by cargo.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("MILLRACE_TEST_BROKER") {
        return path.into();
    }
    let deps = std::env::current_exe().expect("a test has a path");
    let profile = deps.ancestors().nth(2).expect("tests are built two folders deep");
    profile.join("examples/serve")
}

fn launch(dir: &std::path::Path, port: &str, arguments: &[String]) -> anyhow::Result<(Child, String)> {
    let program = program();
    let mut child = Command::new(&program)
        .arg(port)
        .arg(dir)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}; build it: cargo build -p millrace-broker --examples", program.display()))?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
    if line.trim().is_empty() {
        let _ = child.wait();
        bail!("the broker did not start");
    }
    Ok((child, line.trim().to_owned()))
}

impl Cluster {
    /// The Kafka that was named, or an embedded broker of this check's own.
    pub fn start() -> anyhow::Result<Self> {
        match std::env::var("MILLRACE_TEST_KAFKA") {
            Ok(address) => Ok(Self { address, own: None }),
            Err(_) => Self::embedded(&[]),
        }
    }

    /// An embedded broker, whatever was named.
    pub fn embedded(arguments: &[&str]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (child, address) = launch(dir.path(), "0", &arguments)?;
        Ok(Self { address, own: Some(Own { child, dir, arguments }) })
    }

    fn own(&mut self) -> &mut Own {
        self.own.as_mut().expect("an embedded broker")
    }

    pub fn dir(&mut self) -> PathBuf {
        self.own().dir.path().to_owned()
    }

    /// Kills the process as the system would when memory runs out.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let own = self.own();
        own.child.kill()?;
        own.child.wait()?;
        Ok(())
    }

    /// Starts again on the same port and directory; gives the time until it was ready.
    pub fn restart(&mut self) -> anyhow::Result<Duration> {
        let port = self.address.rsplit(':').next().context("an address has a port")?.to_owned();
        let own = self.own();
        let start = Instant::now();
        let (child, _) = launch(own.dir.path(), &port, &own.arguments.clone())?;
        own.child = child;
        Ok(start.elapsed())
    }

    pub fn is_alive(&mut self) -> bool {
        self.own.as_mut().is_none_or(|own| matches!(own.child.try_wait(), Ok(None)))
    }

    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("message.timeout.ms", "15000");
        config
    }

    pub fn producer(&self, settings: &[(&str, &str)]) -> anyhow::Result<FutureProducer> {
        let mut config = self.client();
        settings.iter().for_each(|(name, value)| {
            config.set(*name, *value);
        });
        Ok(config.create()?)
    }

    pub fn consumer(&self, settings: &[(&str, &str)]) -> anyhow::Result<BaseConsumer> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.address)
            .set("group.id", unique("group"))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest");
        settings.iter().for_each(|(name, value)| {
            config.set(*name, *value);
        });
        Ok(config.create()?)
    }

    pub fn admin(&self) -> anyhow::Result<AdminClient<DefaultClientContext>> {
        Ok(self.client().create()?)
    }

    /// Creates a topic with a name of its own.
    pub async fn topic(&self, partitions: i32, settings: &[(&str, &str)]) -> anyhow::Result<String> {
        let name = unique("topic");
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        // Kafka refuses segments as small as the checks want them, and shows the same without.
        for (name, value) in settings.iter().filter(|(name, _)| self.own.is_some() || *name != "segment.bytes") {
            topic = topic.set(name, value);
        }
        for result in self.admin()?.create_topics([&topic], &options()).await? {
            result.map_err(|(name, error)| anyhow::anyhow!("{name}: {error}"))?;
        }
        Ok(name)
    }

    /// Reads one partition from `offset` until `count` messages are there.
    pub fn read(&self, topic: &str, partition: i32, offset: Offset, count: usize) -> anyhow::Result<Vec<OwnedMessage>> {
        self.read_with(topic, partition, offset, count, &[])
    }

    pub fn read_with(
        &self,
        topic: &str,
        partition: i32,
        offset: Offset,
        count: usize,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Vec<OwnedMessage>> {
        let consumer = self.consumer(settings)?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, offset)?;
        consumer.assign(&assignment)?;
        let mut messages = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while messages.len() < count {
            ensure!(Instant::now() < deadline, "{} of {count} messages of {topic} came", messages.len());
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                messages.push(message?.detach());
            }
        }
        Ok(messages)
    }

    /// Reads everything there is: up to the high watermark.
    pub fn read_all(&self, topic: &str, partition: i32, settings: &[(&str, &str)]) -> anyhow::Result<Vec<OwnedMessage>> {
        let mut with_end = vec![("enable.partition.eof", "true")];
        with_end.extend_from_slice(settings);
        let consumer = self.consumer(&with_end)?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        consumer.assign(&assignment)?;
        let mut messages = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            ensure!(Instant::now() < deadline, "no end of {topic}");
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => messages.push(message.detach()),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => return Ok(messages),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(own) = &mut self.own {
            let _ = own.child.kill();
            let _ = own.child.wait();
        }
    }
}

pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// Sends `values` in order to one partition and waits for the acknowledgements.
pub async fn send(producer: &FutureProducer, topic: &str, values: &[String]) -> anyhow::Result<()> {
    let sent = values.iter().map(|value| {
        let record = FutureRecord::<str, str>::to(topic).partition(0).key(value).payload(value);
        producer.send_result(record).map_err(|(error, _)| error)
    });
    let sent: Result<Vec<_>, _> = sent.collect();
    for delivery in sent? {
        delivery.await?.map_err(|(error, _)| error)?;
    }
    Ok(())
}

pub fn values(messages: &[OwnedMessage]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned()).collect()
}

pub fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("value-{n}")).collect()
}

/// Asks again until it holds.
pub fn wait_until(what: &str, mut check: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !check()? {
        ensure!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}
