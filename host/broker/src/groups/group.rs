//! One group: its members and the phases of a rebalance.

use super::{GroupView, Identity, text};
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupRequest, SyncGroupResponse};
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
struct Member {
    instance: Option<String>,
    client: String,
    host: String,
    session: Duration,
    rebalance: Duration,
    protocols: Vec<(String, Bytes)>,
    assignment: Bytes,
    seen: Instant,
    joining: Option<Sender<JoinGroupResponse>>,
    syncing: Option<Sender<SyncGroupResponse>>,
}

impl Member {
    fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    fn answer_join(&mut self, response: JoinGroupResponse) {
        if let Some(answer) = self.joining.take() {
            let _ = answer.send(response);
        }
    }

    fn answer_sync(&mut self, response: SyncGroupResponse) {
        if let Some(answer) = self.syncing.take() {
            let _ = answer.send(response);
        }
    }

    fn fail_waits(&mut self, id: &str, error: ResponseError) {
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

    /// Asks all members to join again.
    fn prepare(&mut self) {
        for member in self.members.values_mut() {
            member.answer_sync(sync_error(ResponseError::RebalanceInProgress));
        }
        if self.phase != Phase::PreparingRebalance {
            self.phase = Phase::PreparingRebalance;
            self.deadline = Some(Instant::now() + self.longest_rebalance());
        }
        self.complete_if_all_joined();
    }

    fn longest_rebalance(&self) -> Duration {
        self.members.values().map(|member| member.rebalance).max().unwrap_or_default()
    }

    fn complete_if_all_joined(&mut self) {
        let waits = self.not_before.is_some_and(|not_before| Instant::now() < not_before);
        let joined = self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.phase == Phase::PreparingRebalance && joined && !waits {
            self.complete();
        }
    }

    /// Ends the joining: a new generation, with those who joined.
    fn complete(&mut self) {
        self.not_before = None;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.deadline = None;
            self.leader.clear();
            self.protocol.clear();
            return;
        }
        if self.members.get(&self.leader).is_none_or(|leader| leader.joining.is_none()) {
            let joined = self.members.iter().find(|(_, member)| member.joining.is_some());
            self.leader = joined.or(self.members.iter().next()).map(|(id, _)| id.clone()).unwrap_or_default();
        }
        self.protocol = self.elect_protocol();
        self.phase = Phase::CompletingRebalance;
        self.deadline = Some(Instant::now() + self.longest_rebalance());
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.join_response(&id);
            let member = self.members.get_mut(&id).expect("ids are of members");
            member.seen = Instant::now();
            member.assignment = Bytes::new();
            member.answer_join(response);
        }
    }

    /// The protocol that most members prefer, of those that all know.
    fn elect_protocol(&self) -> String {
        let known_by_all = |name: &String| self.members.values().all(|m| m.protocols.iter().any(|(theirs, _)| theirs == name));
        let mut votes: BTreeMap<&String, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| known_by_all(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn join_response(&self, id: &str) -> JoinGroupResponse {
        let member = |(id, member): (&String, &Member)| {
            JoinGroupResponseMember::default()
                .with_member_id(text(id))
                .with_group_instance_id(member.instance.as_deref().map(text))
                .with_metadata(member.metadata(&self.protocol))
        };
        let members = if id == self.leader { self.members.iter().map(member).collect() } else { Vec::new() };
        JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(Some(text(&self.protocol_type)))
            .with_protocol_name(Some(text(&self.protocol)))
            .with_leader(text(&self.leader))
            .with_member_id(text(id))
            .with_members(members)
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

    fn settle(&mut self) {
        self.phase = Phase::Stable;
        self.deadline = None;
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.sync_response(&id);
            self.members.get_mut(&id).expect("ids are of members").answer_sync(response);
        }
    }

    fn sync_response(&self, id: &str) -> SyncGroupResponse {
        SyncGroupResponse::default()
            .with_protocol_type(Some(text(&self.protocol_type)))
            .with_protocol_name(Some(text(&self.protocol)))
            .with_assignment(self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default())
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

    pub fn tick(&mut self, now: Instant) {
        let pending = self.pending.len();
        self.pending.retain(|_, until| *until > now);
        let silent = |member: &Member| member.joining.is_none() && now > member.seen + member.session;
        let gone: Vec<String> = self.members.iter().filter(|(_, m)| silent(m)).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| {
            self.remove(id);
        });
        if self.pending.len() < pending || self.not_before.is_some() {
            self.complete_if_all_joined();
        }
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::PreparingRebalance => {
                // Static members keep their place until their session ends.
                self.members.retain(|_, member| member.joining.is_some() || member.instance.is_some());
                self.pending.clear();
                if self.members.values().any(|member| member.joining.is_some()) || self.members.is_empty() {
                    self.complete();
                } else {
                    self.deadline = Some(now + self.longest_rebalance());
                }
            }
            Phase::CompletingRebalance => {
                // Whoever did not come for its assignment is gone; the others join again.
                let absent: Vec<String> =
                    self.members.iter().filter(|(_, m)| m.syncing.is_none()).map(|(id, _)| id.clone()).collect();
                self.deadline = None;
                absent.iter().for_each(|id| {
                    self.remove(id);
                });
                if absent.is_empty() {
                    self.prepare();
                }
            }
            Phase::Empty | Phase::Stable => self.deadline = None,
        }
    }
}

/// Whether a consumer's subscription names the topic; `None` when it is not a consumer's.
fn subscribes(metadata: &[u8], topic: &str) -> Option<bool> {
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
