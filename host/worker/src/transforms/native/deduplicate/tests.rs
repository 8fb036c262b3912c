//! What the transform lets through: by batches of Debezium's events, with a state between two lives of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use millrace_record::convert::{Converter, converter};
use millrace_record::row::{BatchWriter, RecordMeta, RowBuf};
use millrace_record::{KeyedState, RawConfig, Schemas, Services, Siblings, Wake};
use serde_json::{Value, json};

use super::*;
use crate::transforms::native::plugins;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// What tasks have stored, each by its number, and how a batch ended.
#[derive(Default)]
struct Stored(BTreeMap<u32, BTreeMap<Arc<str>, Bytes>>);

#[derive(Debug)]
struct Others(Vec<(Arc<str>, Bytes)>);

impl Siblings for Others {
    fn scan(&self, prefix: &str) -> Vec<(Arc<str>, Bytes)> {
        self.0.iter().filter(|(key, _)| key.starts_with(prefix)).cloned().collect()
    }
}

impl Stored {
    fn state(&self, task: u32) -> KeyedState {
        let others = self.0.iter().filter(|(of, _)| **of != task).flat_map(|(_, e)| e.clone()).collect();
        KeyedState::new(self.0.get(&task).cloned().unwrap_or_default()).beside(Arc::new(Others(others)))
    }

    /// The batch was taken: what changed is stored. Answers how many entries of the state that was.
    fn keep(&mut self, task: u32, state: &KeyedState) -> usize {
        let changes = state.take();
        let n = changes.len();
        for (key, value) in changes {
            match value {
                Some(value) => self.0.entry(task).or_default().insert(key, value),
                None => self.0.entry(task).or_default().remove(&key),
            };
        }
        n
    }
}

struct Rig {
    schemas: Arc<Schemas>,
    state: KeyedState,
    transform: Box<dyn Transform>,
    convert: Box<dyn Converter>,
}

impl Rig {
    async fn new(state: KeyedState, settings: &[(&str, &str)], schemas: bool) -> Result<Rig, TaskError> {
        let known = Schemas::new();
        let plugin = plugins(&Arc::default()).into_iter().find(|p| p.info().name == NAME).expect("it is listed");
        let context = TaskContext {
            connector: "orders".into(),
            task: 0,
            config: settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            alias: Some("once".into()),
            schemas: known.clone(),
            wake: Wake::default(),
            grants: Vec::new(),
            services: Services { state: state.clone(), ..Services::default() },
        };
        let transform = plugin.transform(context).await?;
        let settings = [("schemas.enable", if schemas { "true" } else { "false" })];
        let config: RawConfig = settings.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let convert = converter(JSON, false, &config, &known).expect("a converter");
        Ok(Rig { schemas: known, state, transform, convert })
    }

    async fn of(stored: &Stored, task: u32) -> Rig {
        Rig::new(stored.state(task), &[], false).await.expect("its settings are right")
    }

    fn batch(&mut self, records: &[(i64, Value, Value)]) -> Batch {
        let mut w = BatchWriter::new();
        for (offset, key, value) in records {
            let topic = w.topic("orders");
            let offset = (*offset >= 0).then_some(*offset);
            let meta = RecordMeta { topic, partition: Some(0), offset, timestamp: None, key_schema: None, value_schema: None };
            w.begin(meta);
            let mut part = |part: &Value, rows: &mut RowBuf| {
                let text = part.to_string();
                Ok::<_, ()>(self.convert.decode("orders", (!part.is_null()).then_some(text.as_bytes()), rows).expect("JSON"))
            };
            w.value_with(|rows| part(value, rows)).unwrap();
            w.key_with(|rows| part(key, rows)).unwrap();
            w.end();
        }
        Batch::trusted(w)
    }

    /// The offsets that it lets through.
    async fn pass(&mut self, records: &[(i64, Value, Value)]) -> Vec<i64> {
        let batch = self.batch(records);
        let outcome = self.transform.apply(&batch).await.expect("it works");
        assert!(outcome.failures.is_empty());
        assert_eq!(outcome.origin.as_ref().map_or(batch.len(), Vec::len), outcome.records.len());
        outcome.records.view().iter().map(|r| r.offset().unwrap_or(-1)).collect()
    }
}

/// An event of Debezium's.
fn event(lsn: i64, op: &str, id: i64) -> Value {
    let row = json!({"id": id, "note": format!("row {id} at {lsn}")});
    let (before, after) = if op == "d" { (row, Value::Null) } else { (Value::Null, row) };
    json!({
        "before": before, "after": after, "op": op, "ts_ms": lsn * 3,
        "source": {"name": "shop", "db": "shop", "schema": "public", "table": "orders", "lsn": lsn, "snapshot": "false"},
    })
}

fn at(offset: i64, lsn: i64, op: &str, id: i64) -> (i64, Value, Value) {
    (offset, json!({ "id": id }), event(lsn, op, id))
}

fn tombstone(offset: i64, id: i64) -> (i64, Value, Value) {
    (offset, json!({ "id": id }), Value::Null)
}

#[tokio::test]
async fn what_comes_again_is_dropped() {
    let mut rig = Rig::of(&Stored::default(), 0).await;
    assert_eq!(rig.pass(&[at(0, 10, "c", 1), at(1, 10, "c", 2), at(2, 11, "u", 1)]).await, [0, 1, 2]);
    // The source goes on from before its last two changes.
    assert_eq!(rig.pass(&[at(3, 10, "c", 2), at(4, 11, "u", 1), at(5, 12, "u", 1)]).await, [5]);
    // When it was made does not count, which row it is does.
    let (mut late, mut other) = (event(12, "u", 1), event(12, "u", 1));
    (late["ts_ms"], other["after"]["note"]) = (99.into(), "another".into());
    assert_eq!(rig.pass(&[(6, json!({"id": 1}), late), (7, json!({"id": 1}), other)]).await, [7]);
    let mut elsewhere = event(12, "u", 1);
    elsewhere["source"]["schema"] = "tenant".into();
    assert_eq!(rig.pass(&[(8, json!({"id": 1}), elsewhere)]).await, [8]);
}

#[tokio::test]
async fn what_is_read_again_from_the_same_place_passes() {
    let mut stored = Stored::default();
    let mut rig = Rig::of(&stored, 0).await;
    let records = [at(0, 10, "c", 1), at(1, 11, "d", 1), tombstone(2, 1), at(3, 10, "c", 1), at(4, 11, "d", 1), tombstone(5, 1)];
    assert_eq!(rig.pass(&records).await, [0, 1, 2]);
    assert_eq!(rig.pass(&records).await, [0, 1, 2]);
    stored.keep(0, &rig.state);
    for from in 0..records.len() {
        let mut again = Rig::of(&stored, 0).await;
        let passed: Vec<i64> = (from as i64..3).collect();
        assert_eq!(again.pass(&records[from..]).await, passed, "from {from}");
    }
}

#[tokio::test]
async fn it_goes_on_in_its_next_life_and_on_another_task() {
    let mut stored = Stored::default();
    let mut rig = Rig::of(&stored, 0).await;
    let many: Vec<_> = (0..1_300).map(|n| at(n, 100 + n, "c", n)).collect();
    assert_eq!(rig.pass(&many).await.len(), 1_300);
    assert_eq!(stored.keep(0, &rig.state), 3, "chunks");
    assert_eq!(rig.pass(&[at(1_300, 5_000, "c", 1)]).await, [1_300]);
    assert_eq!(stored.keep(0, &rig.state), 1, "chunks");
    let again: Vec<_> = (0..1_300).map(|n| at(2_000 + n, 100 + n, "c", n)).collect();
    for task in [0, 1] {
        let mut next = Rig::of(&stored, task).await;
        assert!(next.pass(&again).await.is_empty());
        assert_eq!(stored.keep(task, &next.state), 0, "nothing was added");
    }
    // What another task adds is known once the partition has come back.
    let mut other = Rig::of(&stored, 1).await;
    assert_eq!(other.pass(&[at(4_000, 6_000, "c", 1)]).await, [4_000]);
    stored.keep(1, &other.state);
    let mut back = Rig::of(&stored, 0).await;
    assert_eq!(back.pass(&[at(4_001, 6_000, "c", 1)]).await, [0i64; 0]);
    back.transform.reassigned();
    assert_eq!(back.pass(&[at(4_002, 6_000, "c", 1), at(4_003, 6_001, "c", 1)]).await, [4_003]);
    back.transform.reassigned();
    assert_eq!(back.pass(&[at(4_004, 6_001, "c", 1)]).await, [0i64; 0]);
}

#[tokio::test]
async fn what_was_undone_is_noted_when_it_comes_again() {
    let mut stored = Stored::default();
    let mut rig = Rig::of(&stored, 0).await;
    assert_eq!(rig.pass(&[at(0, 10, "c", 1)]).await, [0]);
    stored.keep(0, &rig.state);
    assert_eq!(rig.pass(&[at(1, 11, "c", 2)]).await, [1]);
    rig.state.undo();
    assert_eq!(rig.pass(&[at(1, 11, "c", 2)]).await, [1]);
    stored.keep(0, &rig.state);
    let mut next = Rig::of(&stored, 0).await;
    assert_eq!(next.pass(&[at(2, 10, "c", 1), at(3, 11, "c", 2)]).await, [0i64; 0]);
}

#[tokio::test]
async fn a_tombstone_goes_the_way_of_its_delete() {
    let mut stored = Stored::default();
    let mut rig = Rig::of(&stored, 0).await;
    let first = [at(0, 10, "d", 1), tombstone(1, 1), at(2, 11, "c", 1)];
    assert_eq!(rig.pass(&first).await, [0, 1, 2]);
    // The same again, cut between the two, in a life of its own each.
    for (n, record) in [at(3, 10, "d", 1), tombstone(4, 1), at(5, 11, "c", 1)].iter().enumerate() {
        assert_eq!(rig.pass(std::slice::from_ref(record)).await, [0i64; 0], "{n}");
        stored.keep(0, &rig.state);
        rig = Rig::of(&stored, 0).await;
    }
    // Another delete of the key has a tombstone of its own.
    assert_eq!(rig.pass(&[at(6, 12, "d", 1), tombstone(7, 1)]).await, [6, 7]);
    // One that nobody's delete came before passes.
    assert_eq!(rig.pass(&[tombstone(8, 2), at(9, 12, "d", 1), tombstone(10, 1), tombstone(11, 1)]).await, [8, 11]);
}

#[tokio::test]
async fn who_has_no_identity_passes() {
    let mut rig = Rig::of(&Stored::default(), 0).await;
    let mut nowhere = event(10, "c", 1);
    nowhere["source"]["lsn"] = Value::Null;
    let key = || json!({"id": 1});
    for value in [json!({"id": 1}), json!("text"), json!([1]), nowhere, json!({"__lsn": 1, "__table": "t"})] {
        assert_eq!(rig.pass(&[(0, key(), value.clone()), (1, key(), value)]).await, [0, 1]);
    }
    // Rows of a table without a key may be equal; that it was emptied is one event.
    let (row, emptied) = (event(10, "c", 1), event(11, "t", 0));
    assert_eq!(rig.pass(&[(0, Value::Null, row.clone()), (1, Value::Null, row)]).await, [0, 1]);
    assert_eq!(rig.pass(&[(2, Value::Null, emptied.clone()), (3, Value::Null, emptied)]).await, [2]);
}

#[tokio::test]
async fn unwrapped_events_and_fields_of_ones_own_have_an_identity() {
    let mut rig = Rig::of(&Stored::default(), 0).await;
    let flat = |lsn: i64, note: &str| json!({"id": 1, "note": note, "__lsn": lsn, "__schema": "s", "__table": "t", "__op": "u"});
    let key = || json!({"id": 1});
    let records = [flat(1, "a"), flat(1, "b"), flat(2, "a"), flat(1, "a")];
    let records: Vec<_> = records.into_iter().enumerate().map(|(n, v)| (n as i64, key(), v)).collect();
    assert_eq!(rig.pass(&records).await, [0, 1, 2]);

    let mut rig = Rig::new(KeyedState::default(), &[("fields", "event.id,kind")], false).await.unwrap();
    let own = |id: Value, kind: &str| (Value::Null, json!({"event": {"id": id, "at": 3}, "kind": kind}));
    let records = [own(json!(1), "a"), own(json!(1), "b"), own(json!(1), "a"), own(Value::Null, "a"), own(Value::Null, "a")];
    let records: Vec<_> = records.into_iter().enumerate().map(|(n, (k, v))| (n as i64, k, v)).collect();
    assert_eq!(rig.pass(&records).await, [0, 1, 3, 4]);
}

#[tokio::test]
async fn values_with_a_schema_are_the_same() {
    let mut rig = Rig::new(KeyedState::default(), &[], true).await.unwrap();
    let of = |kind: &str, fields: Value| json!({"type": kind, "optional": true, "fields": fields});
    let field = |name: &str, kind: &str| json!({"field": name, "type": kind, "optional": true});
    let row = of("struct", json!([field("id", "int64"), field("note", "string")]));
    let named = |name: &str, mut schema: Value| {
        schema["field"] = name.into();
        schema
    };
    let source = ["name", "db", "schema", "table", "snapshot"].map(|name| field(name, "string"));
    let source = of("struct", source.into_iter().chain([field("lsn", "int64")]).collect());
    let parts = [named("before", row.clone()), named("after", row), named("source", source)];
    let schema: Value = parts.into_iter().chain([field("op", "string"), field("ts_ms", "int64")]).collect();
    let (schema, key) = (of("struct", schema), of("struct", json!([field("id", "int64")])));
    let typed = |(offset, k, v): (i64, Value, Value)| {
        let part = |schema: &Value, payload: Value| {
            if payload.is_null() { Value::Null } else { json!({"schema": schema, "payload": payload}) }
        };
        (offset, part(&key, k), part(&schema, v))
    };
    let first = [at(0, 10, "c", 1), at(1, 10, "c", 2), at(2, 11, "d", 1), tombstone(3, 1)].map(typed);
    let again = [at(4, 10, "c", 2), at(5, 11, "d", 1), tombstone(6, 1), at(7, 12, "c", 1)].map(typed);
    assert_eq!(rig.pass(&first).await, [0, 1, 2, 3]);
    assert_eq!(rig.pass(&again).await, [7]);
    assert!(rig.schemas.get(0).is_some());
}

#[tokio::test]
async fn time_and_number_are_bounded() {
    let state = KeyedState::default();
    let mut windows = Windows::new(state.clone(), Limits { ttl_ms: 800, entries: 40 });
    let mut meet = |now: i64, n: u64, offset: i64| {
        windows.begin(now);
        let window = windows.of("orders", 0).unwrap();
        let fate = windows.meet(window, &identity::Named::Record { id: identity::Id(n, n), deletes: None }, offset);
        windows.end();
        (fate, windows.entries(), windows.pushed_out())
    };
    assert_eq!(meet(0, 1, 0), (Fate::Pass, 1, 0));
    assert_eq!(meet(800, 1, 1), (Fate::Drop, 1, 0));
    assert_eq!(meet(801, 1, 2), (Fate::Pass, 1, 0));
    for n in 2..=40 {
        assert_eq!(meet(801, n, n as i64 + 1), (Fate::Pass, n as usize, 0));
    }
    // Chunks have five entries here; the oldest goes as a whole.
    assert_eq!(meet(801, 41, 42), (Fate::Pass, 36, 5));
    assert_eq!(meet(801, 1, 43), (Fate::Pass, 37, 5));
    assert_eq!(meet(801, 6, 44), (Fate::Drop, 37, 5));
    assert_eq!(state.scan("", None, 100, 1 << 20).entries.len(), 8);
    // A slow stream keeps no chunk open for ever.
    for n in 0..20 {
        meet(2_000 + n * 100, 100 + n as u64, 50 + n);
    }
    assert_eq!(meet(4_000, 104, 100).0, Fate::Pass);
    assert_eq!(meet(4_000, 119, 101).0, Fate::Drop);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    for (setting, value, said) in [
        ("ttl.ms", "0", "Invalid value 0 for configuration ttl.ms"),
        ("ttl.ms", "1h", "Invalid value 1h for configuration ttl.ms"),
        ("max.entries", "0", "Invalid value 0 for configuration max.entries"),
        ("max.entries", "many", "Invalid value many for configuration max.entries"),
        ("fields", "source..lsn", "Invalid value source..lsn for configuration fields"),
        ("fields", "`a", "Incomplete backtick pair in path"),
    ] {
        let Err(error) = Rig::new(KeyedState::default(), &[(setting, value)], false).await else { panic!("{setting}={value}") };
        assert!(error.message.contains(said), "{setting}={value}: {}", error.message);
        assert_eq!(error.field.as_deref(), Some(&*format!("transforms.once.{setting}")));
    }
    let mut rig = Rig::of(&Stored::default(), 0).await;
    let batch = rig.batch(&[at(-1, 10, "c", 1)]);
    let error = rig.transform.apply(&batch).await.unwrap_err();
    assert!(error.message.contains("for sinks") && error.message.contains("exactly.once.source.support"), "{}", error.message);

    let state = KeyedState::default();
    state.put("orders/0/0000000000000000", "of another format").unwrap();
    let mut rig = Rig::new(state, &[], false).await.unwrap();
    let batch = rig.batch(&[at(0, 10, "c", 1)]);
    let error = rig.transform.apply(&batch).await.unwrap_err();
    assert!(error.message.contains("DELETE /connectors/orders/state"), "{}", error.message);
}

#[tokio::test]
#[ignore = "measures"]
async fn cost() {
    const BATCHES: i64 = 100;
    const RECORDS: i64 = 2_000;
    for known in [0i64, 100_000, 1_000_000] {
        let entries = (known + BATCHES * RECORDS).to_string();
        let mut rig = Rig::new(KeyedState::default(), &[("max.entries", &entries)], false).await.unwrap();
        let mut batches = Vec::new();
        for b in 0..known / RECORDS + BATCHES {
            batches.push((0..RECORDS).map(|n| at(b * RECORDS + n, b * RECORDS + n, "c", n)).collect::<Vec<_>>());
        }
        let (mut took, mut changed) = (std::time::Duration::ZERO, 0);
        for (b, records) in batches.iter().enumerate() {
            let batch = rig.batch(records);
            let started = std::time::Instant::now();
            rig.transform.apply(&batch).await.unwrap();
            if b as i64 >= known / RECORDS {
                took += started.elapsed();
                changed += rig.state.take().values().flatten().map(Bytes::len).sum::<usize>();
            } else {
                rig.state.take();
            }
        }
        let records = (BATCHES * RECORDS) as f64;
        println!(
            "{known} known: {:.0} ns a record, {:.1} bytes of state",
            took.as_nanos() as f64 / records,
            changed as f64 / records
        );
    }
}
