//! What the journal's entries add up to: topics, committed offsets, producer ids, transactions.

use super::entry::{CommittedOffset, Decision, Entry, TopicPartition, TransactionalProducer};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    pub id: Uuid,
    pub partitions: i32,
    pub settings: BTreeMap<String, String>,
    /// Where a client made partitions start.
    pub log_starts: BTreeMap<i32, i64>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct State {
    pub topics: BTreeMap<String, TopicState>,
    pub offsets: HashMap<String, BTreeMap<TopicPartition, CommittedOffset>>,
    pub next_producer_id: i64,
    pub transactional: HashMap<String, TransactionalProducer>,
    /// Transactions decided whose markers may be missing.
    pub decided: HashMap<String, Decision>,
}

impl State {
    pub fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Topic { name, id, partitions, settings } => {
                let log_starts = match self.topics.remove(&name) {
                    Some(old) if old.id == id => old.log_starts,
                    _ => BTreeMap::new(),
                };
                self.topics.insert(name, TopicState { id, partitions, settings, log_starts });
            }
            Entry::TopicDeleted { name } => {
                self.topics.remove(&name);
                for offsets in self.offsets.values_mut() {
                    offsets.retain(|(topic, _), _| *topic != name);
                }
                self.offsets.retain(|_, offsets| !offsets.is_empty());
            }
            Entry::LogStart { topic, partition, offset } => {
                if let Some(topic) = self.topics.get_mut(&topic) {
                    topic.log_starts.insert(partition, offset);
                }
            }
            Entry::Offsets { group, offsets } => self.commit(group, offsets),
            Entry::OffsetsDeleted { group, partitions } => {
                if let Some(offsets) = self.offsets.get_mut(&group) {
                    partitions.iter().for_each(|partition| {
                        offsets.remove(partition);
                    });
                }
            }
            Entry::GroupDeleted { group } => {
                self.offsets.remove(&group);
            }
            Entry::ProducerIds { next } => self.next_producer_id = self.next_producer_id.max(next),
            Entry::Transactional { id, producer } => {
                self.transactional.insert(id, producer);
            }
            Entry::TransactionalForgotten { id } => {
                self.transactional.remove(&id);
            }
            Entry::Decided { id, decision } => {
                self.decided.insert(id, decision);
            }
            Entry::Done { id } => {
                if let Some(decision) = self.decided.remove(&id)
                    && decision.commit
                {
                    decision.offsets.into_iter().for_each(|(group, offsets)| self.commit(group, offsets));
                }
            }
        }
    }

    fn commit(&mut self, group: String, offsets: Vec<(TopicPartition, CommittedOffset)>) {
        let committed = self.offsets.entry(group).or_default();
        for (partition, offset) in offsets {
            if self.topics.contains_key(&partition.0) {
                committed.insert(partition, offset);
            }
        }
    }

    /// The fewest entries that give this state.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let topics = self.topics.iter().flat_map(|(name, topic)| {
            let head =
                Entry::Topic { name: name.clone(), id: topic.id, partitions: topic.partitions, settings: topic.settings.clone() };
            let starts = topic.log_starts.iter().map(|(partition, offset)| Entry::LogStart {
                topic: name.clone(),
                partition: *partition,
                offset: *offset,
            });
            std::iter::once(head).chain(starts)
        });
        let offsets = self.offsets.iter().map(|(group, offsets)| Entry::Offsets {
            group: group.clone(),
            offsets: offsets.iter().map(|(partition, offset)| (partition.clone(), offset.clone())).collect(),
        });
        let transactional =
            self.transactional.iter().map(|(id, producer)| Entry::Transactional { id: id.clone(), producer: *producer });
        let decided = self.decided.iter().map(|(id, decision)| Entry::Decided { id: id.clone(), decision: decision.clone() });
        topics
            .chain(offsets)
            .chain(transactional)
            .chain(decided)
            .chain(std::iter::once(Entry::ProducerIds { next: self.next_producer_id }))
    }
}
