//! The requests, one module per family: decode, dispatch, encode.

mod admin;
mod configs;
mod fetch;
mod groups;
mod metadata;
mod offsets;
mod produce;
#[cfg(test)]
pub mod tests;
mod transactions;

use crate::broker::Shared;
use crate::guard::API_SHAPES;
use crate::log::Slice;
use crate::topics::Refusal;
use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, RequestHeader, RequestKind, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::sync::Arc;

/// The one broker's id.
pub const NODE_ID: i32 = 1;
/// The API that says which others there are.
pub const API_VERSIONS: i16 = 18;

/// What a handler knows besides the request.
pub struct Context<'a> {
    pub shared: &'a Arc<Shared>,
    pub version: i16,
    pub client_id: &'a str,
    pub host: &'a str,
}

/// A piece of a response that carries records: bytes, then a part of a log file.
pub struct RecordsPart {
    pub head: BytesMut,
    pub slice: Option<Slice>,
}

/// What goes back to the client.
pub enum Reply {
    /// Nothing: the client wanted no acknowledgement.
    None,
    Message(Box<ResponseKind>),
    /// A response encoded already, with records between its bytes.
    Records(Vec<RecordsPart>),
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn code(result: Result<(), ResponseError>) -> i16 {
    result.map_or_else(|error| error.code(), |()| 0)
}

fn refusal(result: Result<(), Refusal>) -> (i16, Option<StrBytes>) {
    match result {
        Ok(()) => (0, None),
        Err(refusal) => (refusal.error.code(), Some(StrBytes::from_string(refusal.message))),
    }
}

/// Decodes a frame that passed the guard: the client's id and the request.
pub fn decode(key: i16, version: i16, mut frame: Bytes) -> Result<(String, RequestKind), String> {
    let api = ApiKey::try_from(key).map_err(|()| "unknown API".to_owned())?;
    let header = RequestHeader::decode(&mut frame, api.request_header_version(version)).map_err(|error| error.to_string())?;
    let request = RequestKind::decode(api, &mut frame, version).map_err(|error| error.to_string())?;
    Ok((header.client_id.map(|id| id.to_string()).unwrap_or_default(), request))
}

/// Encodes the rest of the response header and the response.
pub fn encode(key: i16, version: i16, response: &ResponseKind, out: &mut BytesMut) -> Result<(), String> {
    let api = ApiKey::try_from(key).map_err(|()| "unknown API".to_owned())?;
    if api.response_header_version(version) == 1 {
        out.extend_from_slice(&[0]);
    }
    response.encode(out, version).map_err(|error| error.to_string())
}

fn api_versions() -> ApiVersionsResponse {
    let offered = API_SHAPES
        .iter()
        .map(|shape| ApiVersion::default().with_api_key(shape.key).with_min_version(shape.min).with_max_version(shape.max));
    ApiVersionsResponse::default().with_api_keys(offered.collect())
}

/// Answers a version of ApiVersions that is not known, in version 0, which every client understands.
pub fn encode_unsupported_version(out: &mut BytesMut) {
    let response = api_versions().with_error_code(ResponseError::UnsupportedVersion.code());
    response.encode(out, 0).expect("version 0 holds all fields that are set");
}

/// Whether the answer may take long, so that earlier answers are sent first.
pub fn may_wait(request: &RequestKind) -> bool {
    matches!(request, RequestKind::Fetch(_) | RequestKind::JoinGroup(_) | RequestKind::SyncGroup(_))
}

/// Handles one request.
pub async fn handle(context: &Context<'_>, request: RequestKind) -> Reply {
    let response = match request {
        RequestKind::Produce(request) => return produce::produce(context, request).await,
        RequestKind::Fetch(request) => return Reply::Records(fetch::fetch(context, request).await),
        RequestKind::ListOffsets(request) => ResponseKind::ListOffsets(offsets::list(context, request).await),
        RequestKind::Metadata(request) => ResponseKind::Metadata(metadata::metadata(context, request).await),
        RequestKind::DescribeCluster(_) => ResponseKind::DescribeCluster(metadata::describe_cluster(context)),
        RequestKind::FindCoordinator(_) => ResponseKind::FindCoordinator(metadata::find_coordinator(context)),
        RequestKind::ApiVersions(_) => ResponseKind::ApiVersions(api_versions()),
        RequestKind::OffsetCommit(request) => ResponseKind::OffsetCommit(offsets::commit(context, request).await),
        RequestKind::OffsetFetch(request) => ResponseKind::OffsetFetch(offsets::fetch(context, request)),
        RequestKind::OffsetDelete(request) => ResponseKind::OffsetDelete(offsets::delete(context, request)),
        RequestKind::JoinGroup(request) => ResponseKind::JoinGroup(groups::join(context, request).await),
        RequestKind::SyncGroup(request) => ResponseKind::SyncGroup(groups::sync(context, request).await),
        RequestKind::Heartbeat(request) => ResponseKind::Heartbeat(groups::heartbeat(context, &request)),
        RequestKind::LeaveGroup(request) => ResponseKind::LeaveGroup(groups::leave(context, request)),
        RequestKind::ListGroups(request) => ResponseKind::ListGroups(groups::list(context, request)),
        RequestKind::DescribeGroups(request) => ResponseKind::DescribeGroups(groups::describe(context, request)),
        RequestKind::DeleteGroups(request) => ResponseKind::DeleteGroups(groups::delete(context, request)),
        RequestKind::CreateTopics(request) => ResponseKind::CreateTopics(admin::create_topics(context, request).await),
        RequestKind::DeleteTopics(request) => ResponseKind::DeleteTopics(admin::delete_topics(context, request).await),
        RequestKind::CreatePartitions(request) => {
            ResponseKind::CreatePartitions(admin::create_partitions(context, request).await)
        }
        RequestKind::DeleteRecords(request) => ResponseKind::DeleteRecords(admin::delete_records(context, request).await),
        RequestKind::DescribeConfigs(request) => ResponseKind::DescribeConfigs(configs::describe(context, request)),
        RequestKind::AlterConfigs(request) => ResponseKind::AlterConfigs(configs::alter(context, request)),
        RequestKind::IncrementalAlterConfigs(request) => {
            ResponseKind::IncrementalAlterConfigs(configs::alter_incrementally(context, request))
        }
        RequestKind::InitProducerId(request) => ResponseKind::InitProducerId(transactions::init_producer(context, request).await),
        RequestKind::AddPartitionsToTxn(request) => {
            ResponseKind::AddPartitionsToTxn(transactions::add_partitions(context, request))
        }
        RequestKind::AddOffsetsToTxn(request) => ResponseKind::AddOffsetsToTxn(transactions::add_offsets(context, request)),
        RequestKind::TxnOffsetCommit(request) => ResponseKind::TxnOffsetCommit(transactions::commit_offsets(context, request)),
        RequestKind::EndTxn(request) => ResponseKind::EndTxn(transactions::end(context, request).await),
        // The guard's table names the requests that get here; a request missing above is told so rather than lost.
        _ => ResponseKind::ApiVersions(api_versions().with_error_code(ResponseError::UnsupportedVersion.code())),
    };
    Reply::Message(Box::new(response))
}
