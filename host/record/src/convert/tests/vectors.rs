//! What Kafka Connect's own converters made of data and bytes, and that ours make the same. `vectors/record.sh` records it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_row::{Row, RowBuf};
use serde_json::{Value, json};

use super::data::{schema, schema_json, value_json, write};
use super::differences;
use crate::convert::{ConvertError, Converter, converter};
use crate::{RawConfig, Schemas};

fn cases() -> Value {
    serde_json::from_str(include_str!("../vectors/cases.json")).expect("cases.json")
}

fn bytes(of: &Value) -> Option<Vec<u8>> {
    if let Some(text) = of.as_str() {
        return Some(text.into());
    }
    if let Some(text) = of["repeat"].as_str() {
        return Some(
            [text.repeat(of["times"].as_u64().unwrap() as usize), of["then"].as_str().unwrap_or("").into()].concat().into(),
        );
    }
    let hex = of["hex"].as_str()?;
    Some((0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect())
}

fn error(e: &ConvertError) -> Value {
    json!({"error": e.class, "message": e.message})
}

fn encoded(c: &mut dyn Converter, schemas: &Arc<Schemas>, data: &Value) -> Value {
    let of = (!data["schema"].is_null()).then(|| schema(&data["schema"]));
    let mut rows = RowBuf::new();
    let row = write(of.as_ref(), &data["value"], &mut rows).then(|| Row::new(rows.as_bytes()).unwrap());
    let mut out = b"before".to_vec();
    match c.encode("t", of.map(|s| schemas.intern(s)), row, &mut out) {
        Ok(true) => match std::str::from_utf8(&out[6..]) {
            Ok(text) => json!({"bytes": text}),
            Err(_) => json!({"bytes": {"hex": out[6..].iter().map(|b| format!("{b:02x}")).collect::<String>()}}),
        },
        Ok(false) => {
            assert_eq!(out, b"before");
            json!({"bytes": null})
        }
        Err(e) => error(&e.failed()),
    }
}

fn decoded(c: &mut dyn Converter, schemas: &Arc<Schemas>, data: &Value) -> Value {
    let mut rows = RowBuf::new();
    match c.decode("t", bytes(data).as_deref(), &mut rows) {
        Ok(found) => {
            let of = found.flatten().map(|id| schemas.get(id).unwrap());
            let row = (rows.size() > 0).then(|| Row::new(rows.as_bytes()).unwrap());
            json!({"schema": of.as_deref().map(schema_json), "value": value_json(of.as_deref(), row.as_ref())})
        }
        Err(e) => error(&e.failed()),
    }
}

/// Every result of ours beside Connect's, by `class role config way/case`.
fn all() -> BTreeMap<String, (Value, Value)> {
    let (cases, mut out) = (cases(), BTreeMap::new());
    let vectors: Value = serde_json::from_str(include_str!("../vectors/vectors.json")).expect("vectors.json");
    for v in vectors.as_array().unwrap() {
        let class = v["class"].as_str().unwrap();
        let config: RawConfig =
            v["config"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().into())).collect();
        let head = format!("{} {} {}", class.rsplit('.').next().unwrap(), v["role"].as_str().unwrap(), v["config"]);
        let schemas = Schemas::new();
        let mut c = match converter(class, v["role"] == "key", &config, &schemas) {
            Ok(c) => {
                out.insert(head.clone(), (v["refused"]["message"].clone(), Value::Null));
                c
            }
            Err(message) => {
                out.insert(head, (v["refused"]["message"].clone(), message.into()));
                continue;
            }
        };
        for (way, make) in [("encode", encoded as fn(&mut dyn Converter, &Arc<Schemas>, &Value) -> Value), ("decode", decoded)] {
            for (name, theirs) in v[way].as_object().into_iter().flatten() {
                let (group, case) = name.split_once('/').unwrap();
                let ours = make(&mut *c, &schemas, &cases[way][group][case]);
                out.insert(format!("{head} {way} {name}"), (theirs.clone(), ours));
            }
        }
    }
    out
}

#[test]
fn all_are_connects() {
    let all = all();
    let mut unused: BTreeSet<(&str, &str)> =
        differences::KNOWN.iter().flat_map(|d| d.cases.iter().map(|case| (*case, d.why))).collect();
    let mut wrong = Vec::new();
    for (name, (theirs, ours)) in all.iter().filter(|(_, (theirs, ours))| theirs != ours) {
        let known = differences::KNOWN.iter().find_map(|d| {
            let case = d.cases.iter().find(|case| name.ends_with(**case))?;
            (d.holds)(theirs, ours).then_some((*case, d.why))
        });
        match known {
            Some(case) => drop(unused.remove(&case)),
            None => wrong.push(format!("{name}\n    Connect {theirs}\n    ours    {ours}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(unused.is_empty(), "no longer different: {unused:#?}");
}
