//! The bodies of dead letter queues as the OpenAPI document describes them.
// Fields are read by the derived descriptions alone.
#![allow(dead_code)]

use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which dead letters are meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterParameters {
    /// Only those of this cause, as the summary and every record show it
    cause: Option<String>,
    /// Only those that failed at this stage, such as VALUE_CONVERTER
    stage: Option<String>,
    /// Only those of this error: the plugin's code, or the exception's class
    error: Option<String>,
    /// Only those of this connector
    connector: Option<String>,
    /// Only those of this version of the connector's plugin
    plugin_version: Option<String>,
    /// Only those that came from this topic
    source_topic: Option<String>,
    /// Only those that came from this partition
    source_partition: Option<u32>,
    /// Only those of this outcome: waiting, redriven, failed again or discarded
    outcome: Option<DeadLetterOutcome>,
    /// Only those that failed then or later: an ISO 8601 time, or milliseconds since the epoch
    from: Option<String>,
    /// Only those that failed before then
    to: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum DeadLetterOutcome {
    Waiting,
    Redriven,
    #[schema(rename = "failed again")]
    FailedAgain,
    Discarded,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum DeadLetterOrder {
    Newest,
    Oldest,
}

#[derive(ToSchema)]
pub struct DeadLetterQueues {
    queues: Vec<DeadLetterQueue>,
}

/// A queue, and how far its index is.
#[derive(ToSchema)]
pub struct DeadLetterQueue {
    /// The topic.
    name: String,
    /// As far as they are indexed.
    records: u64,
    /// When the oldest record failed, in milliseconds since the epoch.
    oldest: Option<i64>,
    newest: Option<i64>,
    /// Connectors that send their dead letters here now.
    connectors: Vec<String>,
    /// Offsets that are yet to be indexed.
    lag: i64,
    partitions: Vec<DeadLetterPartition>,
}

#[derive(ToSchema)]
pub struct DeadLetterPartition {
    partition: i32,
    /// The first offset of the log.
    start: i64,
    /// The next offset of the log.
    end: i64,
    /// The next offset of the index.
    indexed: i64,
    lag: i64,
}

/// What is in a queue, counted. A null: the records' headers do not say.
#[derive(ToSchema)]
pub struct DeadLetterSummary {
    name: String,
    records: u64,
    /// Offsets that are yet to be indexed.
    lag: i64,
    causes_total: u64,
    causes: Vec<DeadLetterCause>,
    stages: Vec<DeadLettersByStage>,
    plugins: Vec<DeadLettersByPlugin>,
    source_topics: Vec<DeadLettersByTopic>,
    outcomes: Vec<DeadLettersByOutcome>,
    /// The latest 744 hours that have any.
    hours: Vec<DeadLettersByHour>,
}

/// An error with what its messages have in common.
#[derive(ToSchema)]
pub struct DeadLetterCause {
    /// Its id.
    cause: String,
    error: Option<String>,
    /// What varies from record to record is shown as `…`.
    message: String,
    records: u64,
    /// The beginning of the first hour in which it came, in milliseconds since the epoch.
    first_hour: Option<i64>,
    last_hour: Option<i64>,
}

#[derive(ToSchema)]
pub struct DeadLettersByStage {
    stage: Option<String>,
    records: u64,
}

#[derive(ToSchema)]
pub struct DeadLettersByPlugin {
    connector: Option<String>,
    plugin_version: Option<String>,
    records: u64,
}

#[derive(ToSchema)]
pub struct DeadLettersByTopic {
    source_topic: Option<String>,
    records: u64,
}

#[derive(ToSchema)]
pub struct DeadLettersByOutcome {
    outcome: DeadLetterOutcome,
    records: u64,
}

#[derive(ToSchema)]
pub struct DeadLettersByHour {
    /// Its beginning, in milliseconds since the epoch.
    hour: Option<i64>,
    records: u64,
}

#[derive(ToSchema)]
pub struct DeadLetters {
    records: Vec<DeadLetter>,
    /// The `cursor` of the next page; null: this is the last one.
    next: Option<String>,
}

/// A record of a queue. A null: its headers do not say.
#[derive(ToSchema)]
pub struct DeadLetter {
    partition: i32,
    offset: i64,
    /// In milliseconds since the epoch; the record's own time where only Connect's headers are there.
    failed_at: Option<i64>,
    cause: String,
    error: Option<String>,
    /// Cut to 400 bytes.
    message: String,
    stage: Option<String>,
    connector: Option<String>,
    plugin_version: Option<String>,
    source_topic: Option<String>,
    source_partition: Option<i32>,
    source_offset: Option<i64>,
    outcome: DeadLetterOutcome,
}

/// A record of a queue with all that is known of it.
#[derive(ToSchema)]
pub struct DeadLetterInFull {
    #[serde(flatten)]
    record: DeadLetterKnown,
    /// The record's own time stamp.
    timestamp: Option<i64>,
    key: Option<DeadLetterBytes>,
    value: Option<DeadLetterBytes>,
    /// All of them, in their order.
    headers: Vec<DeadLetterHeader>,
    /// What the connector's converters make of it; null: the connector is gone.
    decoded: Option<DeadLetterDecoded>,
    /// Every failure that the headers tell of, the first one first.
    failures: Vec<DeadLetterFailure>,
    outcome_detail: Option<DeadLetterOutcomeDetail>,
}

/// What the index knows; of a record that has just come, its place alone.
#[derive(ToSchema)]
pub struct DeadLetterKnown {
    partition: i32,
    offset: i64,
    outcome: DeadLetterOutcome,
    failed_at: Option<i64>,
    cause: Option<String>,
    error: Option<String>,
    message: Option<String>,
    stage: Option<String>,
    connector: Option<String>,
    plugin_version: Option<String>,
    source_topic: Option<String>,
    source_partition: Option<i32>,
    source_offset: Option<i64>,
}

/// A text as it is, or other bytes in base 64.
#[derive(ToSchema)]
pub struct DeadLetterBytes {
    text: Option<String>,
    base64: Option<String>,
}

#[derive(ToSchema)]
pub struct DeadLetterHeader {
    name: String,
    value: Option<DeadLetterBytes>,
}

/// As JSON, without schemas.
#[derive(ToSchema)]
pub struct DeadLetterDecoded {
    key: Value,
    value: Value,
    headers: Vec<Value>,
    /// What could not be read.
    errors: Vec<DeadLetterNotDecoded>,
}

#[derive(ToSchema)]
pub struct DeadLetterNotDecoded {
    stage: Option<String>,
    message: String,
}

#[derive(ToSchema)]
pub struct DeadLetterFailure {
    stage: Option<String>,
    error: Option<String>,
    class: Option<String>,
    message: Option<String>,
    stacktrace: Option<String>,
    connector: Option<String>,
    task: Option<i32>,
    plugin_version: Option<String>,
    failed_at: Option<i64>,
    source_topic: Option<String>,
    source_partition: Option<i32>,
    source_offset: Option<i64>,
}

#[derive(ToSchema)]
pub struct DeadLetterOutcomeDetail {
    at: i64,
    by: Option<String>,
    reason: Option<String>,
}
