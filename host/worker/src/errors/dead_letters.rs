//! The dead letter queue of a connector: of a sink the bytes that were consumed, with Connect's context headers; of a source the
//! records that never came to the log.

use std::collections::HashMap;
use std::time::Duration;

use millrace_record::{ErrorKind, PluginKind, RawConfig, SourceOffset, TaskError};
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Headers;

use super::context::{Cause, Families};
use super::queue_name::QueueName;
use super::retention;
use crate::kafka::outgoing::{OutMeta, Outgoing};
use crate::kafka::producer::{LogProducer, PRODUCER_DEFAULTS, refusal};
use crate::pattern::Pattern;
use crate::task::{Reader, TaskId, TaskRuntime, TaskSpec};

pub const TOPIC: &str = "errors.deadletterqueue.topic.name";
const FACTOR: &str = "errors.deadletterqueue.topic.replication.factor";
pub(super) const CONTEXT: &str = "errors.deadletterqueue.context.headers.enable";
pub(super) const FAMILY: &str = "errors.deadletterqueue.context.headers.family";

/// The row that a letter comes from, for whoever sends it among other records: none.
pub const LETTER: u32 = u32::MAX;

/// How long one request about topics may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

pub struct DeadLetters {
    name: QueueName,
    headers: Families,
    id: TaskId,
    /// Of the connector's plugin.
    version: String,
    /// The topic's `retention.ms` when it is made.
    retention_ms: Option<String>,
    /// What the connector consumes, where that is a regular expression.
    consumed: Option<Pattern>,
    factor: i32,
    admin: AdminClient<DefaultClientContext>,
    /// Queues that are there, by source topic.
    queues: HashMap<String, String>,
    /// None: of a source.
    producer: Option<LogProducer>,
    /// What is sent next.
    out: Outgoing,
}

impl DeadLetters {
    /// None: no queue is configured. A queue of a fixed name is made when it is missing; one by source topic when the first
    /// record of its topic fails.
    ///
    /// A source sends its letters with its records, by [`DeadLetters::take`]; they always say where in the source they are.
    pub async fn new(spec: &TaskSpec, runtime: &TaskRuntime) -> Result<Option<Self>, TaskError> {
        let (id, kind, config) = (&spec.id, spec.plugin.info().kind, &spec.connector_config);
        let Some(name) = config.get(TOPIC).map(|t| t.trim()).filter(|t| !t.is_empty()) else { return Ok(None) };
        let name = QueueName::parse(name).map_err(|why| TaskError::config(TOPIC, format!("\"{TOPIC}\" is \"{name}\": {why}")))?;
        let none = RawConfig::new();
        let mut read = Reader { connector: config, worker: &none, wrong: Vec::new(), field: None };
        // An embedded broker is one broker; on a cluster Connect's default is three.
        let factor: i16 = read.number(FACTOR, if runtime.worker.contains_key("bootstrap.servers") { 3 } else { 1 });
        if factor < 1 && factor != -1 {
            read.wrong(FACTOR, factor, "at least 1, or -1 for the broker's default");
        }
        let mut headers = Families::NONE;
        let family = read.get(FAMILY).filter(|f| !f.is_empty());
        let of_source = kind == PluginKind::Source;
        match Families::of(family, of_source || name.by_source()) {
            Some(families) if read.boolean(CONTEXT, false) || of_source => headers = families,
            Some(_) => {}
            None => read.wrong(FAMILY, family.unwrap_or_default(), "one of: connect, dlq, both"),
        }
        let retention_ms = retention::read(&mut read);
        read.finish(())?;
        let regex = config.get("topics.regex").map(|r| r.trim()).filter(|r| !r.is_empty());
        let admin = runtime
            .clients
            .admin(&format!("connector-dlq-admin-{id}"), config, &[])
            .create()
            .map_err(|e| TaskError::config("admin.override", format!("the admin client's settings are refused: {e}")))?;
        let producer = match kind {
            PluginKind::Source => None,
            _ => {
                let client = format!("connector-dlq-producer-{id}");
                Some(LogProducer::new(&runtime.clients.producer(&client, config, PRODUCER_DEFAULTS))?)
            }
        };
        let letters = DeadLetters {
            headers,
            id: id.clone(),
            version: spec.plugin.info().version.clone(),
            retention_ms: retention_ms.map(|ms| ms.to_string()),
            // One that is wrong is told of where the connector subscribes.
            consumed: regex.and_then(|r| Pattern::new(r).ok()),
            factor: factor.into(),
            admin,
            queues: HashMap::new(),
            producer,
            out: Outgoing::default(),
            name,
        };
        if !letters.name.by_source() {
            letters.make(&letters.name.of("", &id.connector)).await?;
        }
        Ok(Some(letters))
    }

    /// Adds a consumed record as it was to what is sent next. Makes the queue of its topic when it is the first of it.
    pub async fn add(&mut self, message: &impl Message, cause: &Cause<'_>) -> Result<(), TaskError> {
        self.add_at(message, None, cause).await
    }

    /// Adds a record, of a source with its place there.
    pub async fn add_at(
        &mut self,
        message: &impl Message,
        position: Option<&SourceOffset>,
        cause: &Cause<'_>,
    ) -> Result<(), TaskError> {
        if !self.queues.contains_key(message.topic()) {
            let queue = self.name.of(message.topic(), &self.id.connector);
            if self.name.by_source() {
                self.make(&queue).await?;
            }
            self.queues.insert(message.topic().to_owned(), queue);
        }
        let out = &mut self.out;
        let key = out.bytes(message.key());
        let value = out.bytes(message.payload());
        for h in message.headers().into_iter().flat_map(|h| h.iter()) {
            let value = out.bytes(h.value);
            out.header(h.key, value);
        }
        self.headers.write(out, &self.id, &self.version, message, position, cause);
        let topic = out.topic(&self.queues[message.topic()]);
        out.push(OutMeta { topic, partition: None, timestamp: message.timestamp().to_millis(), origin: LETTER }, key, value);
        Ok(())
    }

    /// Makes a queue that is missing.
    async fn make(&self, queue: &str) -> Result<(), TaskError> {
        if self.consumed.as_ref().is_some_and(|r| r.matches(queue)) {
            let message = format!(
                "the dead letter topic \"{queue}\" matches \"topics.regex\": its records would be consumed again; set \"{TOPIC}\" to a name that does not match"
            );
            return Err(TaskError::config(TOPIC, message));
        }
        let mut new = NewTopic::new(queue, 1, TopicReplication::Fixed(self.factor));
        if let Some(ms) = &self.retention_ms {
            new = new.set("retention.ms", ms);
        }
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
        let made = self.admin.create_topics([&new], &options).await;
        let factor = self.factor;
        match made.as_deref() {
            Ok([Ok(_)]) => {
                tracing::info!(topic = queue, "created a dead letter topic");
                Ok(())
            }
            Ok([Err((_, RDKafkaErrorCode::TopicAlreadyExists))]) => Ok(()),
            Ok([Err((_, RDKafkaErrorCode::InvalidReplicationFactor))]) => {
                let message = format!(
                    "cannot create the dead letter topic \"{queue}\" with {factor} replicas; set \"{FACTOR}\" to at most the number of brokers"
                );
                Err(TaskError::config(FACTOR, message))
            }
            Ok(
                [Err((_, code @ (RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed)))],
            ) => {
                // Who may not make topics may well write to one that somebody else has made.
                if self.exists(queue).await {
                    return Ok(());
                }
                let message = format!(
                    "cannot create the dead letter topic \"{queue}\": {code}; make it yourself, or allow the worker's user to"
                );
                Err(TaskError::config(TOPIC, message))
            }
            Ok(other) => {
                let why = other.iter().find_map(|o| o.as_ref().err()).map(|(_, e)| e.to_string()).unwrap_or_default();
                Err(TaskError::config(TOPIC, format!("cannot create the dead letter topic \"{queue}\": {why}")))
            }
            Err(e) => Err(TaskError::retriable("kafka.admin", format!("cannot create the dead letter topic \"{queue}\": {e}"))),
        }
    }

    async fn exists(&self, queue: &str) -> bool {
        let found = tokio::task::block_in_place(|| self.admin.inner().fetch_metadata(Some(queue), REQUEST_TIMEOUT));
        found.is_ok_and(|m| m.topics().iter().any(|t| t.error().is_none() && !t.partitions().is_empty()))
    }

    /// What was added, to be sent by the caller.
    pub fn take(&mut self) -> Outgoing {
        std::mem::take(&mut self.out)
    }

    /// Sends what was added; returns once the log has acknowledged all of it.
    pub async fn send(&mut self) -> Result<(), TaskError> {
        let out = self.take();
        if out.is_empty() {
            return Ok(());
        }
        match self.producer.as_mut().expect("a sink has one").send(out).await.settled().await.as_deref() {
            Some([]) => Ok(()),
            Some([refused, ..]) => Err(refusal(refused)),
            None => Err(TaskError::new(ErrorKind::Restart, "kafka.produce", "the dead letter queue's producer has ended")),
        }
    }
}
