//! One group: its members and the phases of a rebalance.

mod member;
mod rebalance;

use super::{GroupView, Identity, text};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupRequest, SyncGroupResponse};
pub use member::{JoinAttempt, MemberView, join_error, sync_error};
use member::{Member, subscribes};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use tokio::sync::oneshot::Sender;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Empty,
    /// Members are asked to join again.
    PreparingRebalance,
    /// The leader is to bring the assignment.
    CompletingRebalance,
    Stable,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

#[derive(Debug)]
pub struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member>,
    /// Ids that were handed out and are yet to join, with the time that is up then.
    pending: HashMap<String, Instant>,
    deadline: Option<Instant>,
    /// Before this the first rebalance does not end, so that more members may come.
    not_before: Option<Instant>,
    members_max: usize,
    initial_delay: Duration,
}

type JoinAnswer = Sender<JoinGroupResponse>;

impl Group {
    pub fn new(members_max: usize, initial_delay: Duration) -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            pending: HashMap::new(),
            deadline: None,
            not_before: None,
            members_max,
            initial_delay,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether nothing is left to remember.
    pub fn is_unused(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    pub fn join(&mut self, attempt: JoinAttempt, answer: JoinAnswer) -> Result<(), (ResponseError, JoinAnswer)> {
        if let Err(error) = self.check_protocols(&attempt) {
            return Err((error, answer));
        }
        let holder = attempt.instance.as_ref().and_then(|instance| self.holder_of(instance));
        if attempt.member.is_empty() {
            let id = format!("{}-{}", attempt.instance.as_ref().unwrap_or(&attempt.client), uuid::Uuid::new_v4());
            if let Some(holder) = holder {
                self.replace(&holder, id, attempt, answer);
                return Ok(());
            }
            if self.members.len() + self.pending.len() >= self.members_max {
                return Err((ResponseError::GroupMaxSizeReached, answer));
            }
            if attempt.may_demand_id && attempt.instance.is_none() {
                self.pending.insert(id.clone(), Instant::now() + attempt.session);
                let _ = answer.send(join_error(ResponseError::MemberIdRequired, &id));
                return Ok(());
            }
            self.admit(id, attempt, answer);
            return Ok(());
        }
        match holder {
            Some(holder) if holder != attempt.member => return Err((ResponseError::FencedInstanceId, answer)),
            _ => {}
        }
        let known = self.members.contains_key(&attempt.member);
        if !known && self.pending.remove(&attempt.member).is_none() {
            return Err((ResponseError::UnknownMemberId, answer));
        }
        let id = attempt.member.clone();
        if known && self.is_repeat(&id, &attempt.protocols) {
            let member = self.members.get_mut(&id).expect("the member is known");
            member.seen = Instant::now();
            let _ = answer.send(self.join_response(&id));
            return Ok(());
        }
        self.admit(id, attempt, answer);
        Ok(())
    }

    fn check_protocols(&self, attempt: &JoinAttempt) -> Result<(), ResponseError> {
        let others = || self.members.iter().filter(|(id, _)| **id != attempt.member).map(|(_, member)| member);
        let shared = |name: &String| others().all(|other| other.protocols.iter().any(|(theirs, _)| theirs == name));
        let fits = !attempt.protocols.is_empty()
            && !attempt.protocol_type.is_empty()
            && (others().next().is_none()
                || (self.protocol_type == attempt.protocol_type && attempt.protocols.iter().any(|(name, _)| shared(name))));
        if fits { Ok(()) } else { Err(ResponseError::InconsistentGroupProtocol) }
    }

    fn holder_of(&self, instance: &str) -> Option<String> {
        let held = self.members.iter().find(|(_, member)| member.instance.as_deref() == Some(instance));
        held.map(|(id, _)| id.clone())
    }

    /// A known member that joins again although nothing calls for a rebalance.
    fn is_repeat(&self, id: &str, protocols: &[(String, Bytes)]) -> bool {
        let same = self.members.get(id).is_some_and(|member| member.protocols == protocols);
        same && match self.phase {
            Phase::CompletingRebalance => true,
            Phase::Stable => id != self.leader,
            Phase::Empty | Phase::PreparingRebalance => false,
        }
    }

    fn admit(&mut self, id: String, attempt: JoinAttempt, answer: JoinAnswer) {
        if self.members.is_empty() {
            self.protocol_type = attempt.protocol_type;
            if self.phase == Phase::Empty && !self.initial_delay.is_zero() {
                self.not_before = Some(Instant::now() + self.initial_delay);
            }
        }
        let member = self.members.entry(id.clone()).or_insert_with(|| Member {
            instance: attempt.instance,
            client: attempt.client,
            host: attempt.host,
            session: attempt.session,
            rebalance: attempt.rebalance,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            seen: Instant::now(),
            joining: None,
            syncing: None,
        });
        member.protocols = attempt.protocols;
        member.session = attempt.session;
        member.rebalance = attempt.rebalance;
        member.seen = Instant::now();
        member.answer_join(join_error(ResponseError::RebalanceInProgress, &id));
        member.joining = Some(answer);
        self.prepare();
    }

    /// A static member came back under a new id: it takes the place of the old one, without a rebalance if nothing changed.
    fn replace(&mut self, holder: &str, id: String, attempt: JoinAttempt, answer: JoinAnswer) {
        let mut member = self.members.remove(holder).expect("the holder is a member");
        member.fail_waits(holder, ResponseError::FencedInstanceId);
        let was_leader = self.leader == holder;
        if was_leader {
            self.leader = id.clone();
        }
        let same = member.protocols == attempt.protocols;
        member.client = attempt.client;
        member.host = attempt.host;
        member.session = attempt.session;
        member.rebalance = attempt.rebalance;
        member.protocols = attempt.protocols;
        member.seen = Instant::now();
        if self.phase == Phase::Stable && same {
            self.members.insert(id.clone(), member);
            let mut response = self.join_response(&id);
            if was_leader && attempt.knows_skip {
                response.skip_assignment = true;
            } else if was_leader {
                // Without the flag a leader would assign anew: it is told that the old id leads.
                response.leader = text(holder);
                response.members.clear();
            }
            let _ = answer.send(response);
            return;
        }
        member.joining = Some(answer);
        self.members.insert(id, member);
        self.prepare();
    }

    /// The member a request speaks for, its generation checked; takes note that it lives.
    fn member(&mut self, identity: Identity) -> Result<&mut Member, ResponseError> {
        if let Some(holder) = identity.instance.and_then(|instance| self.holder_of(instance))
            && holder != identity.member
        {
            return Err(ResponseError::FencedInstanceId);
        }
        let member = self.members.get_mut(identity.member).ok_or(ResponseError::UnknownMemberId)?;
        if identity.generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        member.seen = Instant::now();
        Ok(member)
    }

    pub fn sync(&mut self, request: SyncGroupRequest, answer: Sender<SyncGroupResponse>) {
        let id = request.member_id.to_string();
        let identity =
            Identity { member: &id, instance: request.group_instance_id.as_deref(), generation: request.generation_id };
        if let Err(error) = self.member(identity) {
            let _ = answer.send(sync_error(error));
            return;
        }
        let differs = |asked: &Option<kafka_protocol::protocol::StrBytes>, ours: &str| {
            asked.as_ref().is_some_and(|asked| asked.as_str() != ours)
        };
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol_name, &self.protocol) {
            let _ = answer.send(sync_error(ResponseError::InconsistentGroupProtocol));
            return;
        }
        match self.phase {
            Phase::Stable => {
                let _ = answer.send(self.sync_response(&id));
            }
            Phase::CompletingRebalance => {
                let member = self.members.get_mut(&id).expect("the member was found");
                member.answer_sync(sync_error(ResponseError::RebalanceInProgress));
                member.syncing = Some(answer);
                if id == self.leader {
                    for assigned in request.assignments {
                        if let Some(member) = self.members.get_mut(assigned.member_id.as_str()) {
                            member.assignment = assigned.assignment;
                        }
                    }
                    self.settle();
                }
            }
            Phase::Empty | Phase::PreparingRebalance => {
                let _ = answer.send(sync_error(ResponseError::RebalanceInProgress));
            }
        }
    }

    pub fn heartbeat(&mut self, identity: Identity) -> Result<(), ResponseError> {
        self.member(identity)?;
        if self.phase == Phase::PreparingRebalance { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    pub fn leave(&mut self, member: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        let id = match instance {
            None => member.to_owned(),
            Some(instance) => {
                let holder = self.holder_of(instance).ok_or(ResponseError::UnknownMemberId)?;
                if !member.is_empty() && member != holder {
                    return Err(ResponseError::FencedInstanceId);
                }
                holder
            }
        };
        if self.pending.remove(&id).is_some() {
            self.complete_if_all_joined();
            return Ok(());
        }
        if self.remove(&id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }

    fn remove(&mut self, id: &str) -> bool {
        let Some(mut member) = self.members.remove(id) else { return false };
        member.fail_waits(id, ResponseError::UnknownMemberId);
        match self.phase {
            Phase::PreparingRebalance if !self.members.is_empty() => self.complete_if_all_joined(),
            Phase::PreparingRebalance => self.complete(),
            _ if self.members.is_empty() => self.complete(),
            _ => self.prepare(),
        }
        true
    }

    pub fn check_commit(&mut self, identity: Identity) -> Result<(), ResponseError> {
        if identity.generation < 0 && identity.member.is_empty() {
            return if self.members.is_empty() { Ok(()) } else { Err(ResponseError::UnknownMemberId) };
        }
        self.member(identity)?;
        if self.phase == Phase::CompletingRebalance { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    pub fn view(&self) -> GroupView {
        let member = |(id, member): (&String, &Member)| MemberView {
            id: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            host: member.host.clone(),
            metadata: member.metadata(&self.protocol),
            assignment: member.assignment.clone(),
        };
        GroupView {
            phase: self.phase,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            members: self.members.iter().map(member).collect(),
        }
    }

    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.members.values().any(|member| subscribes(&member.metadata(&self.protocol), topic).unwrap_or(true))
    }
}
