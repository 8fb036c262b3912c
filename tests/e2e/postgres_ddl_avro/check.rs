//! Holds what confluent's client read against what was written down.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use millrace_tests::Worker;
use serde_json::{Value, json};

use super::writer::{Change, Done};

/// A version of a subject: its schema's id, and the columns of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub id: i64,
    pub shape: String,
}

/// The versions of a subject in their order.
pub async fn versions(worker: &Worker, subject: &str) -> anyhow::Result<Vec<Version>> {
    let (_, numbers) = worker.ask_registry("GET", &format!("/subjects/{subject}/versions"), None).await?;
    let numbers = numbers.as_array().cloned().with_context(|| format!("{subject}: {numbers}"))?;
    let mut versions = Vec::new();
    for (n, number) in (1..).zip(numbers) {
        ensure!(number == n, "{subject}: version {number} stands where {n} should");
        let (_, found) = worker.ask_registry("GET", &format!("/subjects/{subject}/versions/{number}"), None).await?;
        let schema: Value = serde_json::from_str(found["schema"].as_str().context("a schema")?)?;
        versions.push(Version { id: found["id"].as_i64().context("an id")?, shape: shape_of(&schema)? });
    }
    Ok(versions)
}

/// The fields of a row, of an envelope that has rows or of the row's own schema: `id:long note:string?`.
pub fn shape_of(schema: &Value) -> anyhow::Result<String> {
    let fields = schema["fields"].as_array().with_context(|| format!("no record: {schema}"))?;
    if let Some(before) = fields.iter().find(|f| f["name"] == "before") {
        let row = before["type"].as_array().and_then(|u| u.iter().find(|t| t.is_object()));
        return shape_of(row.with_context(|| format!("no row in {before}"))?);
    }
    let fields: Vec<_> = fields.iter().map(|f| format!("{}:{}", f["name"].as_str().unwrap_or("-"), kind(&f["type"]))).collect();
    Ok(fields.join(" "))
}

fn kind(schema: &Value) -> String {
    match schema {
        Value::String(name) => name.clone(),
        Value::Array(union) => match &union[..] {
            [null, of] if null == "null" => format!("{}?", kind(of)),
            _ => schema.to_string(),
        },
        _ => kind(&schema["type"]),
    }
}

/// What a snapshot must have: the table's shape and its rows.
pub struct Snapshot {
    pub shape: String,
    pub rows: BTreeMap<i64, Value>,
}

/// The place in the log of each change of a row, by its number in what was written down.
pub type Places = BTreeMap<usize, i64>;

/// Whether the versions are the shapes in the order in which rows had them, each once, and each record of the table's topic
/// has the shape and the values of its moment, in the order in which they were written, none missing.
pub fn rows(records: &[Value], versions: &[Version], snapshot: &Snapshot, done: &[Done]) -> anyhow::Result<Places> {
    let rows: Vec<_> = (0..).zip(done).filter_map(|(i, d)| if let Done::Row(row) = d { Some((i, row)) } else { None }).collect();
    let mut shapes: Vec<&str> = Vec::new();
    for shape in std::iter::once(snapshot.shape.as_str()).chain(rows.iter().map(|(_, r)| r.shape.as_str())) {
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    let shape_of = |id: &Value| versions.iter().find(|v| *id == v.id).map_or("of no version", |v| v.shape.as_str());

    let (mut places, mut by_place) = (Places::new(), BTreeMap::new());
    let (mut next, mut read) = (rows.iter(), BTreeSet::new());
    for record in records.iter().filter(|r| !r["value"].is_null()) {
        let (value, has) = (&record["value"], shape_of(&record["value_id"]));
        if value["op"] == "r" {
            let id = value["after"]["id"].as_i64().with_context(|| format!("no id: {record}"))?;
            ensure!(snapshot.rows.get(&id) == Some(&value["after"]) && has == snapshot.shape, "not of the snapshot: {record}");
            read.insert(id);
            continue;
        }
        let place = value["source"]["lsn"].as_i64().with_context(|| format!("no place: {record}"))?;
        // What was not acknowledged before a kill comes again.
        let (i, row) = match by_place.get(&place) {
            Some(known) => *known,
            None => {
                let (i, row) = next.next().with_context(|| format!("nothing was written that could be {record}"))?;
                by_place.insert(place, (*i, *row));
                places.insert(*i, place);
                (*i, *row)
            }
        };
        let of = if row.after.is_null() { &row.before } else { &row.after };
        let same = value["op"] == row.op
            && value["before"] == row.before
            && value["after"] == row.after
            && record["key"] == json!({ &row.key: of[&row.key] });
        ensure!(same && has == row.shape, "change {i} is {record} of shape {has}; it should be {row:?}");
    }
    ensure!(read.len() == snapshot.rows.len(), "the snapshot has {read:?}");
    ensure!(next.len() == 0, "{} of {} changes are missing, from {:?} on", next.len(), rows.len(), next.next());
    let found: Vec<_> = versions.iter().map(|v| v.shape.as_str()).collect();
    ensure!(found == shapes, "the versions are {found:#?}, the shapes were {shapes:#?}");
    Ok(places)
}

/// Whether the schema changes of the table came once each, in their order, each between the rows before and after it; with
/// `told`, as the server's triggers told them.
pub fn changes(records: &[Value], first: &str, done: &[Done], places: &Places, told: bool) -> anyhow::Result<usize> {
    let mut events: Vec<&Value> = Vec::new();
    for value in records.iter().map(|r| &r["value"]) {
        let about = value["tableChanges"][0]["id"] == "\"src\".\"public\".\"t\"";
        let again =
            events.iter().any(|e| e["source"]["lsn"] == value["source"]["lsn"] && e["tableChanges"] == value["tableChanges"]);
        if about && !again {
            events.push(value);
        }
    }
    let changes: Vec<(usize, &Change)> =
        (0..).zip(done).filter_map(|(i, d)| if let Done::Change(c) = d { Some((i, c)) } else { None }).collect();
    let listed: Vec<_> = events.iter().map(|e| format!("{} {}", e["tableChanges"][0]["type"], e["ddl"])).collect();
    ensure!(events.len() == changes.len() + 1, "{} changes after the table's first shape came as {listed:#?}", changes.len());
    ensure!(events[0]["tableChanges"][0]["type"] == "CREATE" && columns(events[0]) == names(first), "{}", events[0]);
    for (event, (i, change)) in events[1..].iter().zip(changes) {
        let wrong = || format!("{event} should be {change:?}");
        ensure!(event["tableChanges"][0]["type"] == "ALTER" && columns(event) == names(&change.shape), "{}", wrong());
        let place = event["source"]["lsn"].as_i64().with_context(wrong)?;
        let (before, after) = (places.range(..i).next_back(), places.range(i..).next());
        ensure!(before.is_none_or(|(_, p)| *p < place), "{} after {before:?}", wrong());
        // Without triggers it is told with the first row that has it.
        let last = after.map_or(i64::MAX, |(_, p)| *p - i64::from(told));
        ensure!(place <= last, "{} before {after:?}", wrong());
        if told {
            let in_log = u64::try_from(place).is_ok_and(|p| (change.between.0..=change.between.1).contains(&p));
            ensure!(in_log && event["ddl"] == change.sql && event["source"]["txId"] == change.xid, "{}", wrong());
        } else {
            ensure!(event["ddl"].is_null() && after.is_some_and(|(_, p)| *p == place), "{}", wrong());
        }
    }
    Ok(events.len())
}

fn columns(event: &Value) -> Vec<String> {
    let columns = event["tableChanges"][0]["table"]["columns"].as_array();
    columns.into_iter().flatten().map(|c| c["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn names(shape: &str) -> Vec<String> {
    shape.split(' ').map(|c| c.split(':').next().unwrap_or_default().to_owned()).collect()
}
