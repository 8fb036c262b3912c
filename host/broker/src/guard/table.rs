//! The requests that are offered: their versions and shapes, as Kafka's message definitions give them.

use super::{Field, Kind};

/// One API that is offered.
#[derive(Debug)]
pub struct ApiShape {
    pub key: i16,
    pub min: i16,
    pub max: i16,
    /// The first version with compact lengths and tagged fields.
    pub flexible_from: i16,
    pub fields: &'static [Field],
}

const I8: Kind = Kind::Fixed(1);
const I16: Kind = Kind::Fixed(2);
const I32: Kind = Kind::Fixed(4);
const I64: Kind = Kind::Fixed(8);
const UUID: Kind = Kind::Fixed(16);
const TEXT: Kind = Kind::Text;
const BYTES: Kind = Kind::Bytes;
const I32S: Kind = Kind::List(&I32);
const TEXTS: Kind = Kind::List(&TEXT);

const fn every(kind: Kind) -> Field {
    Field { from: 0, to: i16::MAX, kind }
}

const fn from(from: i16, kind: Kind) -> Field {
    Field { from, to: i16::MAX, kind }
}

const fn within(from: i16, to: i16, kind: Kind) -> Field {
    Field { from, to, kind }
}

const fn api(key: i16, min: i16, max: i16, flexible_from: i16, fields: &'static [Field]) -> ApiShape {
    ApiShape { key, min, max, flexible_from, fields }
}

const CONFIGS: Kind = Kind::Array(&[every(TEXT), every(TEXT)]);
const TOPIC_PARTITIONS: Kind = Kind::Array(&[every(TEXT), every(I32S)]);

/// Every API that is offered. Versions are capped where a newer one only adds what one node does not need.
pub const API_SHAPES: &[ApiShape] = &[
    // Produce
    api(
        0,
        3,
        9,
        9,
        &[
            every(TEXT),
            every(I16),
            every(I32),
            every(Kind::Array(&[every(TEXT), every(Kind::Array(&[every(I32), every(BYTES)]))])),
        ],
    ),
    // Fetch
    api(
        1,
        4,
        11,
        12,
        &[
            every(I32),
            every(I32),
            every(I32),
            every(I32),
            every(I8),
            from(7, I32),
            from(7, I32),
            every(Kind::Array(&[
                every(TEXT),
                every(Kind::Array(&[every(I32), from(9, I32), every(I64), from(5, I64), every(I32)])),
            ])),
            from(7, TOPIC_PARTITIONS),
            from(11, TEXT),
        ],
    ),
    // ListOffsets
    api(
        2,
        1,
        7,
        6,
        &[
            every(I32),
            from(2, I8),
            every(Kind::Array(&[every(TEXT), every(Kind::Array(&[every(I32), from(4, I32), every(I64)]))])),
        ],
    ),
    // Metadata
    api(3, 0, 12, 9, &[every(Kind::Array(&[from(10, UUID), every(TEXT)])), from(4, I8), within(8, 10, I8), from(8, I8)]),
    // OffsetCommit
    api(
        8,
        2,
        8,
        8,
        &[
            every(TEXT),
            every(I32),
            every(TEXT),
            from(7, TEXT),
            within(2, 4, I64),
            every(Kind::Array(&[every(TEXT), every(Kind::Array(&[every(I32), every(I64), from(6, I32), every(TEXT)]))])),
        ],
    ),
    // OffsetFetch
    api(9, 1, 7, 6, &[every(TEXT), every(TOPIC_PARTITIONS), from(7, I8)]),
    // FindCoordinator
    api(10, 0, 3, 3, &[every(TEXT), from(1, I8)]),
    // JoinGroup
    api(
        11,
        0,
        9,
        6,
        &[
            every(TEXT),
            every(I32),
            from(1, I32),
            every(TEXT),
            from(5, TEXT),
            every(TEXT),
            every(Kind::Array(&[every(TEXT), every(BYTES)])),
            from(8, TEXT),
        ],
    ),
    // Heartbeat
    api(12, 0, 4, 4, &[every(TEXT), every(I32), every(TEXT), from(3, TEXT)]),
    // LeaveGroup
    api(13, 0, 5, 4, &[every(TEXT), within(0, 2, TEXT), from(3, Kind::Array(&[every(TEXT), every(TEXT), from(5, TEXT)]))]),
    // SyncGroup
    api(
        14,
        0,
        5,
        4,
        &[
            every(TEXT),
            every(I32),
            every(TEXT),
            from(3, TEXT),
            from(5, TEXT),
            from(5, TEXT),
            every(Kind::Array(&[every(TEXT), every(BYTES)])),
        ],
    ),
    // DescribeGroups
    api(15, 0, 5, 5, &[every(TEXTS), from(3, I8)]),
    // ListGroups
    api(16, 0, 4, 3, &[from(4, TEXTS)]),
    // ApiVersions
    api(18, 0, 3, 3, &[from(3, TEXT), from(3, TEXT)]),
    // CreateTopics
    api(
        19,
        2,
        7,
        5,
        &[
            every(Kind::Array(&[
                every(TEXT),
                every(I32),
                every(I16),
                every(Kind::Array(&[every(I32), every(I32S)])),
                every(CONFIGS),
            ])),
            every(I32),
            every(I8),
        ],
    ),
    // DeleteTopics
    api(20, 1, 5, 4, &[every(TEXTS), every(I32)]),
    // DeleteRecords
    api(21, 0, 2, 2, &[every(Kind::Array(&[every(TEXT), every(Kind::Array(&[every(I32), every(I64)]))])), every(I32)]),
    // InitProducerId
    api(22, 0, 4, 2, &[every(TEXT), every(I32), from(3, I64), from(3, I16)]),
    // AddPartitionsToTxn
    api(24, 0, 3, 3, &[every(TEXT), every(I64), every(I16), every(TOPIC_PARTITIONS)]),
    // AddOffsetsToTxn
    api(25, 0, 3, 3, &[every(TEXT), every(I64), every(I16), every(TEXT)]),
    // EndTxn
    api(26, 0, 3, 3, &[every(TEXT), every(I64), every(I16), every(I8)]),
    // TxnOffsetCommit
    api(
        28,
        0,
        3,
        3,
        &[
            every(TEXT),
            every(TEXT),
            every(I64),
            every(I16),
            from(3, I32),
            from(3, TEXT),
            from(3, TEXT),
            every(Kind::Array(&[every(TEXT), every(Kind::Array(&[every(I32), every(I64), from(2, I32), every(TEXT)]))])),
        ],
    ),
    // DescribeConfigs
    api(32, 1, 4, 4, &[every(Kind::Array(&[every(I8), every(TEXT), every(TEXTS)])), every(I8), from(3, I8)]),
    // AlterConfigs
    api(33, 0, 2, 2, &[every(Kind::Array(&[every(I8), every(TEXT), every(CONFIGS)])), every(I8)]),
    // CreatePartitions
    api(
        37,
        0,
        3,
        2,
        &[every(Kind::Array(&[every(TEXT), every(I32), every(Kind::Array(&[every(I32S)]))])), every(I32), every(I8)],
    ),
    // DeleteGroups
    api(42, 0, 2, 2, &[every(TEXTS)]),
    // IncrementalAlterConfigs
    api(
        44,
        0,
        1,
        1,
        &[every(Kind::Array(&[every(I8), every(TEXT), every(Kind::Array(&[every(TEXT), every(I8), every(TEXT)]))])), every(I8)],
    ),
    // OffsetDelete
    api(47, 0, 0, i16::MAX, &[every(TEXT), every(Kind::Array(&[every(TEXT), every(Kind::Array(&[every(I32)]))]))]),
    // DescribeCluster
    api(60, 0, 0, 0, &[every(I8)]),
];
