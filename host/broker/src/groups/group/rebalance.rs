//! A rebalance: its phases from the call to join again to the assignments, and what time does to them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};

use super::member::{Member, sync_error};
use super::{Group, Phase};
use crate::groups::text;

impl Group {
    /// Asks all members to join again.
    pub(super) fn prepare(&mut self) {
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

    pub(super) fn complete_if_all_joined(&mut self) {
        let waits = self.not_before.is_some_and(|not_before| Instant::now() < not_before);
        let joined = self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.phase == Phase::PreparingRebalance && joined && !waits {
            self.complete();
        }
    }

    /// Ends the joining: a new generation, with those who joined.
    pub(super) fn complete(&mut self) {
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

    pub(super) fn join_response(&self, id: &str) -> JoinGroupResponse {
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

    pub(super) fn settle(&mut self) {
        self.phase = Phase::Stable;
        self.deadline = None;
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.sync_response(&id);
            self.members.get_mut(&id).expect("ids are of members").answer_sync(response);
        }
    }

    pub(super) fn sync_response(&self, id: &str) -> SyncGroupResponse {
        SyncGroupResponse::default()
            .with_protocol_type(Some(text(&self.protocol_type)))
            .with_protocol_name(Some(text(&self.protocol)))
            .with_assignment(self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default())
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
