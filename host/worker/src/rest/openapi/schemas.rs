//! The bodies of requests and answers as the OpenAPI document describes them. Answers are written where they are made;
//! the fuzzing suite holds them against these descriptions.
// Fields are read by the derived descriptions alone.
#![allow(dead_code)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, schema::SchemaType, schema::Type};
use utoipa::{PartialSchema, ToSchema};

/// An error. Errors from before a request has found its resource (`HTTP 404 Not Found`) come without a content type.
#[derive(ToSchema)]
#[schema(example = json!({"error_code": 404, "message": "Connector orders-sink not found"}))]
pub struct ErrorMessage {
    /// The status of the answer.
    error_code: u16,
    message: Option<String>,
}

/// Which worker this is.
#[derive(ToSchema)]
#[schema(example = json!({"version": "4.3.1", "commit": "0a1b2c3d4e5f6a7b", "kafka_cluster_id": "5L6g3nShT-eMCtK--X86sw"}))]
pub struct ServerInfo {
    version: String,
    commit: String,
    /// The id of the Kafka cluster behind the worker.
    kafka_cluster_id: String,
}

/// How the worker is.
#[derive(ToSchema)]
#[schema(example = json!({"status": "healthy", "message": "Worker has completed startup and is ready to handle requests."}))]
pub struct WorkerStatus {
    status: Health,
    /// What the worker is doing, or what is wrong and what to do.
    message: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

/// The settings of a connector by their names.
#[derive(ToSchema)]
#[schema(example = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": "/tmp/in.txt", "topic": "lines"}))]
pub struct ConnectorConfig(BTreeMap<String, String>);

/// The settings of a connector as they are sent.
pub struct GivenConfig;

impl PartialSchema for GivenConfig {
    fn schema() -> RefOr<Schema> {
        let scalar =
            ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Number, Type::Boolean, Type::Null]));
        ObjectBuilder::new()
            .description(Some(
                "The settings as they are sent: a number or a boolean is taken as it is written, null leaves a key out",
            ))
            .additional_properties(Some(Schema::from(scalar)))
            .examples([json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": "/tmp/in.txt", "topic": "lines"})])
            .into()
    }
}

impl ToSchema for GivenConfig {
    fn name() -> Cow<'static, str> {
        "GivenConfig".into()
    }
}

/// A new connector.
#[derive(ToSchema)]
#[schema(example = json!({
    "name": "lines-source",
    "config": {"connector.class": "FileStreamSource", "tasks.max": "1", "file": "/tmp/in.txt", "topic": "lines"},
    "initial_state": "RUNNING",
}))]
pub struct CreateConnectorRequest {
    /// The connector's name; spaces around it do not count.
    name: String,
    config: GivenConfig,
    /// What the connector does once it exists; RUNNING when it is absent.
    initial_state: Option<InitialState>,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum InitialState {
    Running,
    Paused,
    Stopped,
}

/// A connector, its settings and its tasks.
#[derive(ToSchema)]
#[schema(example = json!({
    "name": "lines-source",
    "config": {"name": "lines-source", "connector.class": "FileStreamSource", "tasks.max": "1", "file": "/tmp/in.txt",
        "topic": "lines"},
    "tasks": [{"connector": "lines-source", "task": 0}],
    "type": "source",
}))]
pub struct ConnectorInfo {
    name: String,
    config: ConnectorConfig,
    tasks: Vec<ConnectorTaskId>,
    r#type: ConnectorType,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum ConnectorType {
    Source,
    Sink,
    /// The worker has no plugin of the connector's class.
    Unknown,
}

#[derive(ToSchema)]
#[schema(example = json!({"connector": "lines-source", "task": 0}))]
pub struct ConnectorTaskId {
    connector: String,
    task: u32,
}

/// A task with its settings.
#[derive(ToSchema)]
pub struct TaskInfo {
    id: ConnectorTaskId,
    config: ConnectorConfig,
}

/// How a connector and its tasks are.
#[derive(ToSchema)]
#[schema(example = json!({
    "name": "lines-source",
    "connector": {"state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "0.1.0"},
    "tasks": [{"id": 0, "state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "0.1.0"}],
    "type": "source",
}))]
pub struct ConnectorStateInfo {
    name: String,
    connector: ConnectorState,
    tasks: Vec<TaskState>,
    r#type: ConnectorType,
}

/// How a connector is.
#[derive(ToSchema)]
pub struct ConnectorState {
    state: State,
    /// `host:port` of the worker that runs it.
    worker_id: String,
    /// Why it failed; absent unless it did.
    #[schema(nullable = false)]
    trace: Option<String>,
    /// The version of its plugin.
    #[schema(nullable = false)]
    version: Option<String>,
}

/// How a task is.
#[derive(ToSchema)]
#[schema(example = json!({"id": 0, "state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "0.1.0"}))]
pub struct TaskState {
    id: u32,
    state: State,
    /// `host:port` of the worker that runs it.
    worker_id: String,
    /// Why it failed; absent unless it did.
    #[schema(nullable = false)]
    trace: Option<String>,
    /// The version of its plugin.
    #[schema(nullable = false)]
    version: Option<String>,
    /// How it is doing; absent where its state says it all.
    #[schema(nullable = false)]
    health: Option<TaskHealth>,
}

/// How a task is doing that runs, or that failed and is tried again.
#[derive(ToSchema)]
#[schema(example = json!({"state": "retrying", "since": 1795230265088u64, "cause": "sink plugin \"postgres-sink\" failed in put: cannot connect"}))]
pub struct TaskHealth {
    state: HealthState,
    /// Milliseconds since the epoch.
    since: u64,
    /// Why it is not well; absent where it is.
    #[schema(nullable = false)]
    cause: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum HealthState {
    /// It makes progress, or has nothing to do.
    Ok,
    /// It makes progress, but more comes than it takes.
    Lagging,
    /// What failed is tried again.
    Retrying,
    /// It has something to do, and makes no progress.
    Stuck,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum State {
    Unassigned,
    Running,
    Paused,
    Failed,
    Restarting,
    Stopped,
    Destroyed,
}

/// The names of all connectors; with `expand` a map from each name to what was asked for.
pub struct Connectors;

impl PartialSchema for Connectors {
    fn schema() -> RefOr<Schema> {
        let expanded = Ref::from_schema_name(Expanded::name());
        OneOfBuilder::new()
            .description(Some("The names of all connectors; with `expand` a map from each name to what was asked for"))
            .item(Vec::<String>::schema())
            .item(ObjectBuilder::new().additional_properties(Some(expanded)))
            .examples([json!(["lines-source", "orders-sink"])])
            .into()
    }
}

impl ToSchema for Connectors {
    fn name() -> Cow<'static, str> {
        "Connectors".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Expanded::name().into(), Expanded::schema()));
        Expanded::schemas(schemas);
    }
}

/// What `expand` asked for.
#[derive(ToSchema)]
pub struct Expanded {
    #[schema(nullable = false)]
    status: Option<ConnectorStateInfo>,
    #[schema(nullable = false)]
    info: Option<ConnectorInfo>,
}

/// How much the plugins of a connector keep.
#[derive(ToSchema)]
#[schema(example = json!({"state": [{"task": 0, "transform": "count", "entries": 3, "bytes": 120}]}))]
pub struct ConnectorStates {
    state: Vec<PluginState>,
}

/// What one task's plugin keeps.
#[derive(ToSchema)]
pub struct PluginState {
    task: u32,
    /// The transform's alias; null: the source's or sink's own.
    #[schema(required)]
    transform: Option<String>,
    entries: u64,
    /// Of keys and values.
    bytes: u64,
}

/// How far a connector is. A sink's partition is `{"kafka_topic", "kafka_partition"}` and its offset `{"kafka_offset"}`; those
/// of a source are its plugin's.
#[derive(ToSchema)]
#[schema(example = json!({"offsets": [
    {"partition": {"kafka_topic": "lines", "kafka_partition": 0}, "offset": {"kafka_offset": 1000}},
]}))]
pub struct ConnectorOffsets {
    offsets: Vec<ConnectorOffset>,
}

#[derive(ToSchema)]
pub struct ConnectorOffset {
    partition: BTreeMap<String, Value>,
    /// Null resets the partition.
    #[schema(required)]
    offset: Option<BTreeMap<String, Value>>,
}

/// A logger's level.
#[derive(ToSchema)]
#[schema(example = json!({"level": "INFO", "last_modified": null}))]
pub struct LoggerLevel {
    level: Level,
    /// Milliseconds since 1970; null: it has the level with which the worker started.
    #[schema(required)]
    last_modified: Option<u64>,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum Level {
    All,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
    Off,
}

/// A level to set.
#[derive(ToSchema)]
#[schema(example = json!({"level": "DEBUG"}))]
pub struct GivenLevel {
    level: Level,
}

/// A sentence.
#[derive(ToSchema)]
#[schema(example = json!({"message": "The offsets for this connector have been altered successfully"}))]
pub struct Message {
    message: String,
}

/// The topics that a connector has used since it was made or its topics were reset, under the connector's name.
#[derive(ToSchema)]
#[schema(example = json!({"lines-source": {"topics": ["lines"]}}))]
pub struct ActiveTopics(BTreeMap<String, Topics>);

#[derive(ToSchema)]
pub struct Topics {
    topics: Vec<String>,
}

/// A page of changes of schemas.
#[derive(ToSchema)]
pub struct SchemaChanges {
    /// The newest first.
    changes: Vec<crate::registry::monitor::event::ChangeEvent>,
    /// The `before` of the next page; null on the last one.
    next: Option<u64>,
}

/// Who acknowledges a change.
#[derive(ToSchema)]
#[schema(example = json!({"by": "ada"}))]
pub struct Acknowledgement {
    by: Option<String>,
}

/// All rules of the schema monitor.
#[derive(ToSchema)]
pub struct SchemaRules {
    rules: Vec<crate::registry::monitor::rules::Rule>,
}
