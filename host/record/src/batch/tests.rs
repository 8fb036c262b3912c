//! Buffers that are no batches, in every way that chance finds: refused with words, or good for all that the host does.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::patch::{self, Patch};
use crate::view::{Column, ColumnData, column, documents};
use crate::{Quota, row};

fn schema() -> Schema {
    let point = Schema::record([("x", Schema::new(Kind::Float64)), ("label", Schema::new(Kind::Text).optional())]).optional();
    Schema::record([
        ("flag", Schema::new(Kind::Boolean)),
        ("small", Schema::new(Kind::Int8).optional()),
        ("id", Schema::new(Kind::Int64)),
        ("ratio", Schema::new(Kind::Float32)),
        ("name", Schema::new(Kind::Text)),
        ("blob", Schema::new(Kind::Bytes)),
        ("tags", Schema::list(Schema::new(Kind::Text).optional())),
        ("grid", Schema::list(Schema::list(Schema::new(Kind::Int32)))),
        ("attributes", Schema::map(Schema::new(Kind::Text), Schema::new(Kind::Any))),
        ("point", point),
        ("open", Schema::new(Kind::Any).optional()),
    ])
}

fn list<const N: usize>(rows: &mut row::RowBuf, fill: impl Fn(&mut row::RowBuf, row::RowMark, usize)) -> row::RowMark {
    let mark = rows.begin(N);
    (0..N).for_each(|i| fill(rows, mark, i));
    mark
}

/// Two full records, one of nulls, a tombstone and one without schemas.
fn valid(schemas: &Schemas) -> Vec<u8> {
    let (value, key) = (schemas.intern(schema()), schemas.intern(Schema::new(Kind::Int64)));
    let mut out = row::BatchWriter::new();
    let topics = [out.topic("orders"), out.topic("customers")];
    for i in 0..5_i64 {
        out.begin(row::RecordMeta {
            topic: topics[i as usize % 2],
            partition: Some(i as i32),
            offset: Some(i),
            timestamp: (i > 0).then_some(i),
            key_schema: (i != 4).then_some(key),
            value_schema: (i != 4).then_some(value),
        });
        if i == 4 {
            let rows = out.rows();
            let value = rows.begin(1);
            rows.text(value, 0, "{\"a\":[1,null,\"b\"]}");
            out.end_value(value);
        } else if i != 3 {
            let rows = out.rows();
            let value = rows.begin(11);
            if i < 2 {
                rows.bool(value, 0, true);
                rows.i64(value, 1, -7);
                rows.i64(value, 2, 1 << 40);
                rows.f64(value, 3, 1.5);
                rows.text(value, 4, "Zoë");
                rows.bytes(value, 5, &[0, 255, 7]);
                let tags = list::<3>(rows, |r, m, i| {
                    if i != 1 {
                        r.text(m, i, "tag")
                    }
                });
                rows.end_nested(value, 6, tags);
                let grid = rows.begin(2);
                for j in 0..2 {
                    let line = list::<2>(rows, |r, m, i| r.i64(m, i, i as i64));
                    rows.end_nested(grid, j, line);
                }
                rows.end_nested(value, 7, grid);
                let map = rows.begin(2);
                let keys = list::<2>(rows, |r, m, i| r.text(m, i, ["a", "b"][i]));
                rows.end_nested(map, 0, keys);
                let values = list::<2>(rows, |r, m, i| r.text(m, i, ["1", "{}"][i]));
                rows.end_nested(map, 1, values);
                rows.end_nested(value, 8, map);
                let point = rows.begin(2);
                rows.f64(point, 0, 0.5);
                rows.text(point, 1, "here");
                rows.end_nested(value, 9, point);
                rows.text(value, 10, "[true]");
            }
            out.end_value(value);
        }
        if i != 4 {
            let rows = out.rows();
            let key = rows.begin(1);
            rows.i64(key, 0, i);
            out.end_key(key);
        }
        let name = row::Header { name: "trace", schema: None, value: None };
        out.header(name);
        out.end();
    }
    out.finish()
}

/// All that the host does with a batch that it has checked.
fn use_it(batch: &Batch, schemas: &Arc<Schemas>) {
    for part in ["key", "value"] {
        let _ = documents(batch, schemas, part);
    }
    for path in ["topic", "offset", "key", "value.name", "value.tags", "value.point.label", "value.attributes", "header.trace"] {
        for packed in [false, true] {
            let _ = column(batch, schemas, path, packed);
        }
    }
    let texts = Column { nulls: vec![], data: ColumnData::Texts(vec!["x".into(); batch.len()]) };
    let patch = Patch {
        drop_rows: vec![],
        remove_fields: vec!["value.grid".into()],
        set: vec![
            ("value.name".into(), texts.clone()),
            ("value.point.label".into(), texts.clone()),
            ("header.new".into(), texts),
        ],
    };
    if let Ok((patched, _)) = patch::apply(batch, schemas, &Quota::default(), &patch) {
        Batch::check(patched.bytes().clone(), schemas).expect("what the host writes is a batch");
    }
    let view = batch.view();
    let mut copy = row::BatchWriter::new();
    for record in view.iter() {
        let topic = copy.topic(view.topic_of(&record));
        copy.copy(&record, topic);
    }
    Batch::check(copy.finish(), schemas).expect("a copy of a batch is one");
}

#[derive(Debug, Clone)]
enum Damage {
    Byte(usize, u8),
    Word(usize, u32),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Copy(usize, usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let word = prop_oneof![any::<u32>(), 0..64_u32, Just(u32::MAX), Just(u32::MAX - 1), Just(1 << 31), Just(i32::MAX as u32)];
    prop_oneof![
        4 => (any::<usize>(), any::<u8>()).prop_map(|(at, b)| Damage::Byte(at, b)),
        6 => (any::<usize>(), word).prop_map(|(at, w)| Damage::Word(at, w)),
        1 => any::<usize>().prop_map(Damage::Cut),
        1 => (any::<usize>(), proptest::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, b)| Damage::Insert(at, b)),
        2 => (any::<usize>(), any::<usize>(), 1..64_usize).prop_map(|(from, to, n)| Damage::Copy(from, to, n)),
    ]
}

fn damaged(mut bytes: Vec<u8>, all: &[Damage]) -> Vec<u8> {
    for damage in all {
        let n = bytes.len().max(1);
        match damage {
            Damage::Byte(at, b) => bytes.get_mut(at % n).into_iter().for_each(|old| *old = *b),
            Damage::Word(at, word) => {
                let at = at % n / 4 * 4;
                bytes.get_mut(at..at + 4).into_iter().for_each(|old| old.copy_from_slice(&word.to_le_bytes()));
            }
            Damage::Cut(at) => bytes.truncate(at % n),
            Damage::Insert(at, new) => drop(bytes.splice(at % n..at % n, new.iter().copied())),
            Damage::Copy(from, to, len) => {
                let (from, to) = (from % n, to % n);
                let len = (*len).min(bytes.len().saturating_sub(from.max(to)));
                bytes.copy_within(from..from + len, to);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn damaged_batches_are_refused_with_words_or_good(all in proptest::collection::vec(damage(), 1..6)) {
        let schemas = Schemas::new();
        match Batch::check(damaged(valid(&schemas), &all), &schemas) {
            Ok(batch) => use_it(&batch, &schemas),
            Err(error) => {
                let words = error.to_string();
                prop_assert!(words.starts_with("not a batch of row format 1: ") || words.starts_with("record "), "{words}");
            }
        }
    }

    #[test]
    fn noise_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let schemas = Schemas::new();
        if let Ok(batch) = Batch::check(bytes, &schemas) {
            use_it(&batch, &schemas);
        }
    }
}

#[test]
fn an_undamaged_batch_is_good() {
    let schemas = Schemas::new();
    use_it(&Batch::check(valid(&schemas), &schemas).unwrap(), &schemas);
}

/// A batch of one record whose value has these bytes.
fn of_value(schema: u32, value: &[u8]) -> Vec<u8> {
    let mut out = row::BatchWriter::new();
    let topic = out.topic("t");
    out.begin(row::RecordMeta {
        topic,
        partition: None,
        offset: None,
        timestamp: None,
        key_schema: None,
        value_schema: Some(schema),
    });
    out.value(row::Row::new(value).expect("room for its slots"));
    out.end();
    out.finish()
}

/// Small rows that have no end for whoever walks through them.
#[test]
fn slots_that_share_their_bytes_are_refused() {
    let schemas = Schemas::new();
    let check = |schema: Schema, value: &[u8]| {
        let refused = Batch::check(of_value(schemas.intern(schema), value), &schemas).unwrap_err().to_string();
        assert_eq!(refused, "record 0: value: its slots point to the same bytes over and over");
    };
    // 100,000 texts of a megabyte, each of them the same.
    let n = 100_000_u32;
    let head = 4 + 8 * n.div_ceil(64) + 8 * n;
    let mut texts = [1_u32.to_le_bytes(), 0_u32.to_le_bytes(), 0_u32.to_le_bytes()].concat();
    texts.extend([20_u32.to_le_bytes(), (head + (1 << 20)).to_le_bytes()].concat());
    texts.extend(n.to_le_bytes());
    texts.resize(20 + 4 + 8 * n.div_ceil(64) as usize, 0);
    (0..n).for_each(|_| texts.extend([head.to_le_bytes(), (1_u32 << 20).to_le_bytes()].concat()));
    texts.resize(texts.len() + (1 << 20), b'x');
    check(Schema::list(Schema::new(Kind::Text)), &texts);
    // Lists of lists, each of which holds itself twice.
    let mut twice = [2_u32.to_le_bytes(), 0_u32.to_le_bytes(), 0_u32.to_le_bytes()].concat();
    (0..2).for_each(|_| twice.extend([0_u32.to_le_bytes(), 28_u32.to_le_bytes()].concat()));
    let mut nested = Schema::new(Kind::Int64);
    for _ in 0..60 {
        nested = Schema::list(nested);
    }
    let field = Schema::record([("a", nested.clone()), ("b", nested)]);
    check(field, &twice);
}
