//! A member of a group: what it said, and what it waits for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use tokio::sync::oneshot::Sender;

use crate::groups::text;

/// A member as admin requests see it.
#[derive(Debug, Clone)]
pub struct MemberView {
    pub id: String,
    pub instance: Option<String>,
    pub client: String,
    pub host: String,
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// What a member says when it joins.
#[derive(Debug)]
pub struct JoinAttempt {
    pub member: String,
    pub instance: Option<String>,
    pub client: String,
    pub host: String,
    pub session: Duration,
    pub rebalance: Duration,
    pub protocol_type: String,
    pub protocols: Vec<(String, Bytes)>,
    /// The client can be told its member id first and asked to come again with it.
    pub may_demand_id: bool,
    pub knows_skip: bool,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) instance: Option<String>,
    pub(super) client: String,
    pub(super) host: String,
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    pub(super) seen: Instant,
    pub(super) joining: Option<Sender<JoinGroupResponse>>,
    pub(super) syncing: Option<Sender<SyncGroupResponse>>,
}

impl Member {
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    pub(super) fn answer_join(&mut self, response: JoinGroupResponse) {
        if let Some(answer) = self.joining.take() {
            let _ = answer.send(response);
        }
    }

    pub(super) fn answer_sync(&mut self, response: SyncGroupResponse) {
        if let Some(answer) = self.syncing.take() {
            let _ = answer.send(response);
        }
    }

    pub(super) fn fail_waits(&mut self, id: &str, error: ResponseError) {
        self.answer_join(join_error(error, id));
        self.answer_sync(sync_error(error));
    }
}

pub fn join_error(error: ResponseError, member: &str) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        .with_member_id(text(member))
        .with_protocol_name(Some(text("")))
}

pub fn sync_error(error: ResponseError) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.code())
}

/// Whether a consumer's subscription names the topic; `None` when it is not a consumer's.
pub(super) fn subscribes(metadata: &[u8], topic: &str) -> Option<bool> {
    let (_, rest) = metadata.split_first_chunk::<2>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    for _ in 0..i32::from_be_bytes(*count).max(0) {
        let (length, tail) = rest.split_first_chunk::<2>()?;
        let (name, tail) = tail.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
        if name == topic.as_bytes() {
            return Some(true);
        }
        rest = tail;
    }
    Some(false)
}
