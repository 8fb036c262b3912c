//! The dead letter queue of a sink connector: the bytes that were consumed, with Connect's context headers.

use millrace_record::{ErrorKind, RawConfig, TaskError};
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Headers;

use super::Stage;
use crate::kafka::outgoing::{OutMeta, Outgoing};
use crate::kafka::producer::{LogProducer, PRODUCER_DEFAULTS, refusal};
use crate::secrets::hide;
use crate::task::{TaskId, TaskRuntime};

/// Why a record is here.
pub struct Cause<'a> {
    pub stage: Stage,
    /// What failed at that stage: a converter's, transform's or plugin's name.
    pub class: &'a str,
    /// The exception that Connect would name.
    pub exception: &'a str,
    pub message: &'a str,
}

pub struct DeadLetters {
    topic: String,
    context: bool,
    id: TaskId,
    producer: LogProducer,
    /// What is sent next.
    out: Outgoing,
}

impl DeadLetters {
    /// None: no queue is configured. The topic is made when it is missing.
    pub async fn new(id: &TaskId, config: &RawConfig, runtime: &TaskRuntime) -> Result<Option<Self>, TaskError> {
        const TOPIC: &str = "errors.deadletterqueue.topic.name";
        const FACTOR: &str = "errors.deadletterqueue.topic.replication.factor";
        const CONTEXT: &str = "errors.deadletterqueue.context.headers.enable";
        let Some(topic) = config.get(TOPIC).map(|t| t.trim()).filter(|t| !t.is_empty()) else { return Ok(None) };
        // An embedded broker is one broker; on a cluster Connect's default is three.
        let default = if runtime.worker.contains_key("bootstrap.servers") { 3 } else { 1 };
        let factor: i32 = match config.get(FACTOR) {
            None => default,
            Some(v) => v
                .trim()
                .parse()
                .map_err(|_| TaskError::config(FACTOR, format!("\"{FACTOR}\" is \"{v}\" but must be a number")))?,
        };
        let admin: AdminClient<DefaultClientContext> = runtime
            .clients
            .admin(&format!("connector-dlq-admin-{id}"), config, &[])
            .create()
            .map_err(|e| TaskError::config("admin.override", format!("the admin client's settings are refused: {e}")))?;
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(factor));
        let made = admin.create_topics([&new], &AdminOptions::new()).await;
        match made.as_deref() {
            Ok([Ok(_)]) | Ok([Err((_, RDKafkaErrorCode::TopicAlreadyExists))]) => {}
            Ok([Err((_, RDKafkaErrorCode::InvalidReplicationFactor))]) => {
                let message = format!(
                    "cannot create the dead letter topic \"{topic}\" with {factor} replicas; set \"{FACTOR}\" to at most the number of brokers"
                );
                return Err(TaskError::config(FACTOR, message));
            }
            Ok(other) => {
                let why = other.iter().find_map(|o| o.as_ref().err()).map(|(_, e)| e.to_string()).unwrap_or_default();
                return Err(TaskError::config(TOPIC, format!("cannot create the dead letter topic \"{topic}\": {why}")));
            }
            Err(e) => {
                return Err(TaskError::retriable("kafka.admin", format!("cannot create the dead letter topic \"{topic}\": {e}")));
            }
        }
        let producer =
            LogProducer::new(&runtime.clients.producer(&format!("connector-dlq-producer-{id}"), config, PRODUCER_DEFAULTS))?;
        let context = config.get(CONTEXT).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
        Ok(Some(DeadLetters { topic: topic.to_owned(), context, id: id.clone(), producer, out: Outgoing::default() }))
    }

    /// Adds a consumed record as it was to what is sent next.
    pub fn add(&mut self, message: &impl Message, cause: &Cause<'_>) {
        let out = &mut self.out;
        let key = out.bytes(message.key());
        let value = out.bytes(message.payload());
        for h in message.headers().into_iter().flat_map(|h| h.iter()) {
            let value = out.bytes(h.value);
            out.header(h.key, value);
        }
        if self.context {
            let message_text = hide(cause.message);
            let text = [
                ("topic", message.topic().to_owned()),
                ("partition", message.partition().to_string()),
                ("offset", message.offset().to_string()),
                ("connector.name", self.id.connector.clone()),
                ("task.id", self.id.task.to_string()),
                ("stage", cause.stage.name().to_owned()),
                ("class.name", cause.class.to_owned()),
                ("exception.class.name", cause.exception.to_owned()),
                ("exception.message", message_text.clone().into_owned()),
                ("exception.stacktrace", format!("{}: {message_text}\n\tat {} ({})", cause.exception, cause.class, cause.stage)),
            ];
            for (name, value) in text {
                let value = out.bytes(Some(value.as_bytes()));
                out.header(&format!("__connect.errors.{name}"), value);
            }
        }
        let topic = out.topic(&self.topic);
        out.push(OutMeta { topic, partition: None, timestamp: message.timestamp().to_millis(), origin: 0 }, key, value);
    }

    /// Sends what was added; returns once the log has acknowledged all of it.
    pub async fn send(&mut self) -> Result<(), TaskError> {
        let out = std::mem::take(&mut self.out);
        if out.is_empty() {
            return Ok(());
        }
        match self.producer.send(out).await.settled().await.as_deref() {
            Some([]) => Ok(()),
            Some([refused, ..]) => Err(refusal(refused)),
            None => Err(TaskError::new(ErrorKind::Restart, "kafka.produce", "the dead letter queue's producer has ended")),
        }
    }
}
