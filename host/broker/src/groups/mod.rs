//! Consumer groups: membership, rebalances and assignments, by Kafka's classic protocol.
//!
//! Members live in memory: after a restart they find their group unknown and join again. Committed offsets are the
//! journal's. Every wait of a client is a channel that is answered exactly once.

mod group;
#[cfg(test)]
mod tests;

use crate::config::{BrokerConfig, Limits};
use group::{Group, JoinAttempt};
pub use group::{MemberView, Phase};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    pub id: &'a str,
    pub host: &'a str,
}

/// A group as admin requests see it.
#[derive(Debug, Clone)]
pub struct GroupView {
    pub phase: Phase,
    pub protocol_type: String,
    pub protocol: String,
    pub members: Vec<MemberView>,
}

pub struct Groups {
    groups: Mutex<HashMap<String, Group>>,
    limits: Limits,
    initial_delay: Duration,
}

/// How a member names itself in a request.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    pub member: &'a str,
    pub instance: Option<&'a str>,
    pub generation: i32,
}

pub(crate) fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

impl Groups {
    pub fn new(config: &BrokerConfig) -> Self {
        Self { groups: Mutex::default(), limits: config.limits.clone(), initial_delay: config.group_initial_delay }
    }

    /// Has a member join; the answer comes when the rebalance is complete.
    pub fn join(&self, request: JoinGroupRequest, version: i16, client: Client) -> oneshot::Receiver<JoinGroupResponse> {
        let (answer, receiver) = oneshot::channel();
        if let Err((error, answer)) = self.try_join(&request, version, client, answer) {
            let _ = answer.send(group::join_error(error, &request.member_id));
        }
        receiver
    }

    fn try_join(
        &self,
        request: &JoinGroupRequest,
        version: i16,
        client: Client,
        answer: oneshot::Sender<JoinGroupResponse>,
    ) -> Result<(), (ResponseError, oneshot::Sender<JoinGroupResponse>)> {
        let session = Duration::from_millis(request.session_timeout_ms.max(0) as u64);
        if request.group_id.is_empty() {
            return Err((ResponseError::InvalidGroupId, answer));
        }
        if session < self.limits.session_timeout_min || session > self.limits.session_timeout_max {
            return Err((ResponseError::InvalidSessionTimeout, answer));
        }
        let mut groups = self.groups.lock();
        if !groups.contains_key(request.group_id.as_str()) {
            if groups.len() >= self.limits.groups_max {
                return Err((ResponseError::CoordinatorNotAvailable, answer));
            }
            groups.insert(request.group_id.to_string(), Group::new(self.limits.group_members_max, self.initial_delay));
        }
        let group = groups.get_mut(request.group_id.as_str()).expect("the group was inserted");
        let rebalance = match request.rebalance_timeout_ms {
            timeout @ 1.. => Duration::from_millis(timeout as u64),
            _ => session,
        };
        let attempt = JoinAttempt {
            member: request.member_id.to_string(),
            instance: request.group_instance_id.as_ref().map(|instance| instance.to_string()),
            client: client.id.to_owned(),
            host: client.host.to_owned(),
            session,
            rebalance,
            protocol_type: request.protocol_type.to_string(),
            protocols: request.protocols.iter().map(|p| (p.name.to_string(), p.metadata.clone())).collect(),
            may_demand_id: version >= 4,
            knows_skip: version >= 9,
        };
        let result = group.join(attempt, answer);
        if group.is_unused() {
            groups.remove(request.group_id.as_str());
        }
        result
    }

    /// Gives a member its assignment, once the leader has brought it.
    pub fn sync(&self, request: SyncGroupRequest) -> oneshot::Receiver<SyncGroupResponse> {
        let (answer, receiver) = oneshot::channel();
        let mut groups = self.groups.lock();
        match groups.get_mut(request.group_id.as_str()) {
            Some(group) => group.sync(request, answer),
            None => {
                let _ = answer.send(group::sync_error(ResponseError::UnknownMemberId));
            }
        }
        receiver
    }

    pub fn heartbeat(&self, group: &str, identity: Identity) -> Result<(), ResponseError> {
        let mut groups = self.groups.lock();
        groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?.heartbeat(identity)
    }

    pub fn leave(&self, group: &str, member: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        let mut groups = self.groups.lock();
        let found = groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?;
        let left = found.leave(member, instance);
        if found.is_unused() {
            groups.remove(group);
        }
        left
    }

    /// Whether this member may commit offsets now. Clients without a group protocol may while the group has no members.
    pub fn check_commit(&self, group: &str, identity: Identity) -> Result<(), ResponseError> {
        match self.groups.lock().get_mut(group) {
            Some(group) => group.check_commit(identity),
            None if identity.generation < 0 => Ok(()),
            None => Err(ResponseError::IllegalGeneration),
        }
    }

    pub fn view(&self, group: &str) -> Option<GroupView> {
        self.groups.lock().get(group).map(Group::view)
    }

    /// All groups with members, or that had some.
    pub fn all(&self) -> HashMap<String, GroupView> {
        self.groups.lock().iter().map(|(id, group)| (id.clone(), group.view())).collect()
    }

    /// Whether some member of the group subscribes to the topic; unknown subscriptions count.
    pub fn is_subscribed(&self, group: &str, topic: &str) -> bool {
        self.groups.lock().get(group).is_some_and(|group| group.is_subscribed(topic))
    }

    /// Forgets a group without members; `false` when it has some.
    pub fn forget(&self, group: &str) -> bool {
        let mut groups = self.groups.lock();
        if groups.get(group).is_some_and(|group| !group.is_empty()) {
            return false;
        }
        groups.remove(group);
        true
    }

    /// Ends sessions and rebalances whose time is up.
    pub fn tick(&self) {
        let now = Instant::now();
        self.groups.lock().retain(|_, group| {
            group.tick(now);
            !group.is_unused()
        });
    }
}
