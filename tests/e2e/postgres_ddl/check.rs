//! Holds what came against what was written down.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::Message;
use rdkafka::message::OwnedMessage;
use serde_json::Value;

use super::model::{Kind, Shape, Values, Writer};

/// What is told of events that are wrong, at the most.
const SHOWN: usize = 8;

/// Whether every event of the writer's table is what it must be, in its order, and none is missing. Answers how many came.
pub fn check(records: &[OwnedMessage], prefix: &str, writer: &Writer) -> anyhow::Result<usize> {
    let mut checker = Checker { writer, marks: BTreeMap::new(), deletes: BTreeMap::new(), wrong: Vec::new() };
    for (i, e) in writer.log().iter().enumerate() {
        match e.op {
            "d" => checker.deletes.insert(e.id, i),
            _ => checker.marks.insert(e.mark, i),
        };
    }
    let start = format!("{prefix}.{}.", writer.schema());
    let (mut seen, mut snapshot, mut events) = (BTreeSet::new(), BTreeSet::new(), 0);
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        let Some(table) = record.topic().strip_prefix(&start) else { continue };
        let Some(value) = record.payload() else { continue };
        let (key, value) = (json(record.key().unwrap_or_default())?, json(value)?);
        events += 1;
        if value["payload"]["op"] == "r" {
            match checker.read(table, &key, &value) {
                Some(mark) => drop(snapshot.insert(mark)),
                None => checker.wrong.push(format!("no state of the row is {} (key {})", value["payload"], key["payload"])),
            }
            continue;
        }
        let Some(at) = checker.change(table, &key, &value) else { continue };
        let first = seen.insert(at);
        if first && last.get(table).is_some_and(|l| *l > at) {
            checker.wrong.push(format!("event {at} comes after event {}", last[table]));
        }
        if first {
            last.insert(table, at);
        }
    }
    let begin = seen.first().copied().unwrap_or(0);
    let missing: Vec<usize> = (begin..writer.log().len()).filter(|i| !seen.contains(i)).collect();
    if let Some(i) = missing.first() {
        checker.wrong.push(format!("{} events are missing; the first is {:?}", missing.len(), writer.log()[*i]));
    }
    for (id, values) in writer.live() {
        let mark = values[1].as_deref().and_then(|m| m.parse::<i64>().ok()).unwrap_or_default();
        let streamed = checker.marks.get(&mark).is_some_and(|i| seen.contains(i));
        if !streamed && !snapshot.contains(&mark) {
            checker.wrong.push(format!("row {id} never came with its mark {mark}"));
        }
    }
    let (n, shown) = (checker.wrong.len(), checker.wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n"));
    anyhow::ensure!(n == 0, "{n} of {events} events of {start}* are wrong:\n{shown}");
    Ok(events)
}

struct Checker<'w> {
    writer: &'w Writer,
    marks: BTreeMap<i64, usize>,
    deletes: BTreeMap<i64, usize>,
    wrong: Vec<String>,
}

impl Checker<'_> {
    /// A row of a snapshot; its mark, where it is a state of that row.
    fn read(&self, table: &str, key: &Value, value: &Value) -> Option<i64> {
        let id = key["payload"].as_object()?.values().next()?.as_i64()?;
        let state = self
            .writer
            .states(id)
            .iter()
            .find(|s| s.shape.table == table && same(&s.shape, value, "after", &s.values).is_ok())?;
        (key_of(&state.shape, key, id).is_ok()).then_some(value["payload"]["after"]["m"].as_i64()?)
    }

    /// A change; its place in what was written down.
    fn change(&mut self, table: &str, key: &Value, value: &Value) -> Option<usize> {
        let payload = &value["payload"];
        let op = payload["op"].as_str().unwrap_or("-");
        let found = match op {
            // Without a key it has all columns of the row, the key's the first.
            "d" => {
                let row = key["payload"].as_object().or(payload["before"].as_object());
                row.and_then(|k| self.deletes.get(&k.values().next()?.as_i64()?))
            }
            _ => payload["after"]["m"].as_i64().and_then(|m| self.marks.get(&m)),
        };
        let Some(&at) = found else {
            self.wrong.push(format!("nothing was written that could be {payload} (key {})", key["payload"]));
            return None;
        };
        let e = &self.writer.log()[at];
        let check = || -> Result<(), String> {
            if (e.op, e.shape.table.as_str()) != (op, table) {
                return Err(format!("op {op}, table {table}"));
            }
            // With REPLICA IDENTITY FULL the log does not tell the key: that of a table which is gone cannot be known.
            let gone =
                e.full && (e.shape.generation, e.shape.key()) != (self.writer.shape().generation, self.writer.shape().key());
            if !(gone && key["payload"].is_null()) {
                key_of(&e.shape, key, e.id)?;
            }
            if let Some(before) = &e.before {
                same(&e.shape, value, "before", before)?;
            }
            match &e.after {
                Some(after) => same(&e.shape, value, "after", after),
                None => shaped(&e.shape, value, "before"),
            }
        };
        if let Err(what) = check() {
            self.wrong.push(format!("{what}: {payload} (key {}) should be {e:?}", key["payload"]));
        }
        Some(at)
    }
}

fn json(bytes: &[u8]) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(bytes).unwrap_or(Value::Null))
}

fn key_of(shape: &Shape, key: &Value, id: i64) -> Result<(), String> {
    let payload = key["payload"].as_object().ok_or("the event has no key")?;
    let right = payload.len() == 1 && payload.get(shape.key()).and_then(Value::as_i64) == Some(id);
    if right { Ok(()) } else { Err(format!("the key is not {}={id}", shape.key())) }
}

/// Whether the schema of a row block is the shape's.
fn shaped(shape: &Shape, value: &Value, block: &str) -> Result<(), String> {
    let blocks = value["schema"]["fields"].as_array().ok_or("no schema")?;
    let schema = blocks.iter().find(|f| f["field"] == block).ok_or("no such block")?;
    let fields = schema["fields"].as_array().ok_or("no fields")?;
    let has: Vec<_> = fields.iter().map(|f| format!("{} {}", text(&f["field"]), text(&f["type"]))).collect();
    let columns: Vec<_> = shape.columns.iter().filter(|c| c.kind != Kind::Generated).collect();
    let wants: Vec<_> = columns.iter().map(|c| format!("{} {}", c.name, c.kind.json())).collect();
    if has != wants {
        return Err(format!("the schema of {block} has {has:?}"));
    }
    for (field, column) in fields.iter().zip(columns) {
        let name = text(&field["name"]);
        if column.kind == Kind::Mood {
            let allowed = text(&field["parameters"]["allowed"]);
            let value = &value["payload"][block][&column.name];
            let known = value.is_null() || value == "" || allowed.split(',').any(|a| value == a);
            if name != "io.debezium.data.Enum" || !known {
                return Err(format!("{} of {block} is {name} of {allowed}", column.name));
            }
        }
    }
    Ok(())
}

fn same(shape: &Shape, value: &Value, block: &str, values: &Values) -> Result<(), String> {
    shaped(shape, value, block)?;
    let row = &value["payload"][block];
    let columns = shape.columns.iter().filter(|c| c.kind != Kind::Generated);
    for (column, expected) in columns.zip(values) {
        let found = printed(&row[&column.name]);
        let equal = match (&found, expected, column.kind) {
            (Some(a), Some(b), Kind::Float8) => a.parse::<f64>() == b.parse::<f64>(),
            (a, b, _) => a == b,
        };
        if !equal {
            return Err(format!("{} of {block} is {found:?}", column.name));
        }
    }
    Ok(())
}

/// As PostgreSQL prints it.
fn printed(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(b) => (if *b { "t" } else { "f" }).to_owned(),
        Value::String(s) => s.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|i| printed(i).unwrap_or("NULL".into())).collect();
            format!("{{{}}}", items.join(","))
        }
        other => other.to_string(),
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
