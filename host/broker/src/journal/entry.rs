//! The entries of the journal and their binary form.

use crate::log::codec::{Decoder, Encoder};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A topic's partition.
pub type TopicPartition = (String, i32);

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
}

/// The offsets of one group that a transaction carries.
pub type GroupOffsets = Vec<(TopicPartition, CommittedOffset)>;

/// How a transaction ends, decided before its markers are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub commit: bool,
    pub partitions: Vec<TopicPartition>,
    pub offsets: Vec<(String, GroupOffsets)>,
}

/// A transactional id's producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionalProducer {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub timeout_ms: i32,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A topic is there, with these partitions and settings.
    Topic {
        name: String,
        id: Uuid,
        partitions: i32,
        settings: BTreeMap<String, String>,
    },
    TopicDeleted {
        name: String,
    },
    /// Records before the offset are deleted.
    LogStart {
        topic: String,
        partition: i32,
        offset: i64,
    },
    Offsets {
        group: String,
        offsets: GroupOffsets,
    },
    OffsetsDeleted {
        group: String,
        partitions: Vec<TopicPartition>,
    },
    GroupDeleted {
        group: String,
    },
    /// Producer ids below are taken.
    ProducerIds {
        next: i64,
    },
    Transactional {
        id: String,
        producer: TransactionalProducer,
    },
    TransactionalForgotten {
        id: String,
    },
    /// A transaction ends so; from here on it must.
    Decided {
        id: String,
        decision: Decision,
    },
    /// The markers are written; the offsets of a committed one hold from here on.
    Done {
        id: String,
    },
}

fn put_partitions(out: &mut Encoder, partitions: &[TopicPartition]) {
    out.count(partitions.len());
    for (topic, partition) in partitions {
        out.str(topic).i32(*partition);
    }
}

fn get_partitions(from: &mut Decoder) -> Option<Vec<TopicPartition>> {
    (0..from.count()?).map(|_| Some((from.str()?, from.i32()?))).collect()
}

fn put_offsets(out: &mut Encoder, offsets: &GroupOffsets) {
    out.count(offsets.len());
    for ((topic, partition), committed) in offsets {
        out.str(topic).i32(*partition).i64(committed.offset).i32(committed.leader_epoch).str(&committed.metadata);
    }
}

fn get_offsets(from: &mut Decoder) -> Option<GroupOffsets> {
    let one = |from: &mut Decoder| {
        let at = (from.str()?, from.i32()?);
        Some((at, CommittedOffset { offset: from.i64()?, leader_epoch: from.i32()?, metadata: from.str()? }))
    };
    (0..from.count()?).map(|_| one(from)).collect()
}

impl Entry {
    pub fn encode(&self, out: &mut Encoder) {
        match self {
            Self::Topic { name, id, partitions, settings } => {
                out.u8(1).str(name).raw(id.as_bytes()).i32(*partitions).count(settings.len());
                for (name, value) in settings {
                    out.str(name).str(value);
                }
            }
            Self::TopicDeleted { name } => {
                out.u8(2).str(name);
            }
            Self::LogStart { topic, partition, offset } => {
                out.u8(3).str(topic).i32(*partition).i64(*offset);
            }
            Self::Offsets { group, offsets } => {
                out.u8(4).str(group);
                put_offsets(out, offsets);
            }
            Self::OffsetsDeleted { group, partitions } => {
                out.u8(5).str(group);
                put_partitions(out, partitions);
            }
            Self::GroupDeleted { group } => {
                out.u8(6).str(group);
            }
            Self::ProducerIds { next } => {
                out.u8(7).i64(*next);
            }
            Self::Transactional { id, producer } => {
                out.u8(8).str(id).i64(producer.producer_id).i16(producer.producer_epoch).i32(producer.timeout_ms);
            }
            Self::TransactionalForgotten { id } => {
                out.u8(9).str(id);
            }
            Self::Decided { id, decision } => {
                out.u8(10).str(id).i64(decision.producer_id).i16(decision.producer_epoch).u8(u8::from(decision.commit));
                put_partitions(out, &decision.partitions);
                out.count(decision.offsets.len());
                for (group, offsets) in &decision.offsets {
                    out.str(group);
                    put_offsets(out, offsets);
                }
            }
            Self::Done { id } => {
                out.u8(11).str(id);
            }
        }
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Decoder::new(bytes);
        let entry = match from.u8()? {
            1 => Self::Topic {
                name: from.str()?,
                id: Uuid::from_slice(from.raw(16)?).ok()?,
                partitions: from.i32()?,
                settings: (0..from.count()?).map(|_| Some((from.str()?, from.str()?))).collect::<Option<_>>()?,
            },
            2 => Self::TopicDeleted { name: from.str()? },
            3 => Self::LogStart { topic: from.str()?, partition: from.i32()?, offset: from.i64()? },
            4 => Self::Offsets { group: from.str()?, offsets: get_offsets(&mut from)? },
            5 => Self::OffsetsDeleted { group: from.str()?, partitions: get_partitions(&mut from)? },
            6 => Self::GroupDeleted { group: from.str()? },
            7 => Self::ProducerIds { next: from.i64()? },
            8 => Self::Transactional {
                id: from.str()?,
                producer: TransactionalProducer {
                    producer_id: from.i64()?,
                    producer_epoch: from.i16()?,
                    timeout_ms: from.i32()?,
                },
            },
            9 => Self::TransactionalForgotten { id: from.str()? },
            10 => Self::Decided {
                id: from.str()?,
                decision: Decision {
                    producer_id: from.i64()?,
                    producer_epoch: from.i16()?,
                    commit: from.u8()? == 1,
                    partitions: get_partitions(&mut from)?,
                    offsets: (0..from.count()?).map(|_| Some((from.str()?, get_offsets(&mut from)?))).collect::<Option<_>>()?,
                },
            },
            11 => Self::Done { id: from.str()? },
            _ => return None,
        };
        from.is_empty().then_some(entry)
    }
}
