//! What `/dlq/Q/redrive` and its like take and answer, as the OpenAPI document describes it.
// Fields are read by the derived descriptions alone.
#![allow(dead_code)]

use serde_json::Value;
use utoipa::ToSchema;

use super::schemas::GivenConfig;
use super::try_schemas::{TryError, TryRecord, TryStep};

/// Which dead letters, and how fast. Give `positions`, `filter` or `all`.
#[derive(ToSchema)]
pub struct RedriveRequest {
    /// Partition and offset of each, such as `0-17`; at most 10000.
    #[schema(max_items = 10000)]
    positions: Option<Vec<String>>,
    /// Those that fit, of those that have no outcome: the parameters of `GET /dlq/{queue}/records`.
    filter: Option<Value>,
    /// All that have no outcome.
    all: Option<bool>,
    /// The sink, where the queue is that of several.
    connector: Option<String>,
    /// A JSON Patch (RFC 6902) of each record.
    patch: Option<Vec<Value>>,
    /// What the patch is of: `value`, or `key`.
    of: Option<String>,
    /// Transforms before the connector's own: `transforms`, `transforms.*`, `predicates` and `predicates.*`.
    transforms: Option<GivenConfig>,
    /// Say what would become of the first records, and write nothing.
    dry_run: Option<bool>,
    /// Of how many, 20 without it, at most 1000.
    limit: Option<u32>,
    /// Records a second; as fast as the sink takes them without it.
    rate: Option<u32>,
    /// Who asks.
    by: Option<String>,
}

/// Which dead letters, and why. Give `positions`, `filter` or `all`.
#[derive(ToSchema)]
pub struct DiscardRequest {
    #[schema(max_items = 10000)]
    positions: Option<Vec<String>>,
    filter: Option<Value>,
    all: Option<bool>,
    reason: String,
    /// Who asks.
    by: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum RedriveState {
    Running,
    /// `waits_for` says for what.
    Waiting,
    Done,
    Cancelled,
    /// `error` says why.
    Failed,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum RedriveWhat {
    Redrive,
    Discard,
}

/// A job on dead letters. Times are milliseconds since the epoch.
#[derive(ToSchema)]
pub struct RedriveJob {
    id: String,
    what: RedriveWhat,
    queue: String,
    #[schema(required)]
    connector: Option<String>,
    state: RedriveState,
    #[schema(required)]
    waits_for: Option<String>,
    #[schema(required)]
    error: Option<String>,
    selection: Value,
    #[schema(required)]
    patch: Option<Vec<Value>>,
    #[schema(required)]
    of: Option<String>,
    transforms: GivenConfig,
    #[schema(required)]
    rate: Option<u32>,
    #[schema(required)]
    reason: Option<String>,
    #[schema(required)]
    by: Option<String>,
    created: u64,
    #[schema(required)]
    ended: Option<u64>,
    /// The next position to look at, and where the job ends.
    #[schema(required)]
    at: Option<String>,
    #[schema(required)]
    until: Option<String>,
    /// How many there are; of all, how many there have been so far.
    selected: u64,
    /// Handed to the sink.
    sent: u64,
    redriven: u64,
    /// Dropped by a transform; their outcome is `redriven`.
    filtered: u64,
    /// Dead letters again, at other positions of the queue.
    failed_again: u64,
    discarded: u64,
    /// Not of this sink, or of nobody knows which topic, or with an outcome by then.
    skipped: u64,
    /// No longer in the queue.
    missing: u64,
    records_per_second: u64,
}

/// What would become of a dead letter.
#[derive(ToSchema)]
pub struct RedriveTried {
    position: String,
    /// As the patch leaves it, and the transforms get it; absent where it cannot be read or patched.
    #[schema(nullable = false)]
    before: Option<TryRecord>,
    /// What the transforms make of it.
    #[schema(nullable = false)]
    after: Option<Vec<TryRecord>>,
    #[schema(nullable = false)]
    error: Option<TryError>,
}

#[derive(ToSchema)]
pub struct RedriveTry {
    records: Vec<RedriveTried>,
    /// The job's and the connector's.
    transforms: Vec<TryStep>,
    /// Where a transform failed as a whole, by a trap or a limit.
    #[schema(required)]
    error: Option<TryError>,
}

#[derive(ToSchema)]
pub struct RedriveJobs {
    jobs: Vec<RedriveJob>,
}
