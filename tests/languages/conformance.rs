//! Records of every type, made from a seed, and what a transform `conform` is to make of them.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

const WISHES: [&str; 8] = ["", "copy", "drop", "route", "twice", "edit", "remove", "fail"];
const TEXTS: [&str; 7] = ["", "ada", "ünï©ødé ✓ 𝄞", "quote \" back \\ slash / tab \t end\n", "null", "{\"a\":1}", "\u{1}\u{7f}"];

/// A case of `millrace plugin test`, of `n` records in one batch: several schemas, some of them at once.
pub fn case(seed: u64, n: usize) -> Value {
    let mut rng = StdRng::seed_from_u64(seed);
    let schemas: Vec<Value> = (0..4).map(|_| record(&mut rng, 0)).collect();
    let (mut input, mut expected, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..n {
        let mut wish = WISHES[rng.random_range(0..WISHES.len())];
        let schema = &schemas[rng.random_range(0..schemas.len())];
        let payload = value(&mut rng, schema, i == 0);
        let with_schema = rng.random_ratio(3, 4);
        let asks_note = matches!(wish, "edit" | "remove");
        if asks_note && (!with_schema || wish == "edit" && payload["note"].is_null()) {
            wish = "copy";
        }
        let given = match (with_schema, rng.random_ratio(1, 8) && !matches!(wish, "edit" | "remove")) {
            (_, true) => Value::Null,
            (true, false) => json!({"schema": schema, "payload": payload}),
            (false, false) => schemaless(&mut rng),
        };
        let mut headers = Map::new();
        if !wish.is_empty() {
            headers.insert("do".to_owned(), json!(wish));
        }
        for name in ["trace", "größe"] {
            if rng.random_bool(0.3) {
                headers.insert(name.to_owned(), json!(format!("v{i}")));
            }
        }
        let key = match rng.random_range(0..4) {
            0 => Value::Null,
            1 => json!({"schema": {"type": "string", "optional": false}, "payload": format!("k{i}")}),
            2 => json!({"schema": {"type": "int64", "optional": false}, "payload": i as i64 - 5}),
            _ => json!({"schema": schemas[0], "payload": value(&mut rng, &schemas[0], false)}),
        };
        let topic = format!("t{}", rng.random_range(0..3));
        let mut made = json!({"topic": topic, "timestamp": 1_700_000_000_000_i64 + i as i64, "key": key, "value": given, "headers": headers});
        let mut taken = made.clone();
        leave_out(&mut rng, &mut taken["value"]);
        input.push(taken);
        match wish {
            "drop" => continue,
            "fail" => {
                failures.push(json!({"record": i, "code": "conform.asked", "message": "as asked"}));
                continue;
            }
            "route" => made["topic"] = json!(format!("{topic}-routed")),
            "edit" => made["value"]["payload"]["note"] = json!("edited"),
            "remove" => {
                made["value"]["payload"].as_object_mut().map(|o| o.shift_remove("note"));
                let fields = made["value"]["schema"]["fields"].as_array_mut();
                fields.map(|f| f.retain(|f| f["field"] != "note"));
            }
            "twice" => expected.push(made.clone()),
            _ => {}
        }
        expected.push(made);
    }
    json!({"config": {}, "input": input, "expected": expected, "expected_failures": failures})
}

/// An optional field that is null may be missing.
fn leave_out(rng: &mut StdRng, value: &mut Value) {
    if let Some(payload) = value.get_mut("payload").and_then(Value::as_object_mut) {
        payload.retain(|_, v| !v.is_null() || rng.random_bool(0.5));
    }
}

/// The schema of a struct, with a text `note` somewhere in it.
fn record(rng: &mut StdRng, depth: usize) -> Value {
    let n = rng.random_range(1..12);
    let mut fields: Vec<Value> = (0..n).map(|i| named(typed(rng, depth), &format!("f{i}"))).collect();
    if depth == 0 {
        let note = named(json!({"type": "string", "optional": true}), "note");
        fields.insert(rng.random_range(0..=fields.len()), note);
    }
    let mut schema = json!({"type": "struct", "fields": fields, "optional": depth > 0 && rng.random_bool(0.5)});
    if rng.random_bool(0.5) {
        schema["name"] = json!(format!("shop.Thing{}", rng.random_range(0..100)));
        schema["version"] = json!(rng.random_range(1..5));
    }
    schema
}

fn named(mut schema: Value, field: &str) -> Value {
    schema["field"] = json!(field);
    schema
}

fn typed(rng: &mut StdRng, depth: usize) -> Value {
    let logical = |t: &str, name: &str| json!({"type": t, "name": format!("org.apache.kafka.connect.data.{name}"), "version": 1});
    let most = if depth < 2 { 17 } else { 13 };
    let mut schema = match rng.random_range(0..most) {
        0 => json!({"type": "boolean"}),
        1 => json!({"type": "int8"}),
        2 => json!({"type": "int16"}),
        3 => json!({"type": "int32"}),
        4 => json!({"type": "int64"}),
        5 => json!({"type": "float"}),
        6 => json!({"type": "double"}),
        7 => json!({"type": "bytes"}),
        8 => logical("int32", "Date"),
        9 => logical("int32", "Time"),
        10 => logical("int64", "Timestamp"),
        11 => {
            let mut decimal = logical("bytes", "Decimal");
            decimal["parameters"] = json!({"scale": "2"});
            decimal
        }
        12 => json!({"type": "string"}),
        13 => json!({"type": "array", "items": typed(rng, depth + 1)}),
        14 => json!({"type": "map", "keys": {"type": "string", "optional": false}, "values": typed(rng, depth + 1)}),
        15 => json!({"type": "map", "keys": {"type": "int32", "optional": false}, "values": typed(rng, depth + 1)}),
        _ => return record(rng, depth + 1),
    };
    schema["optional"] = json!(rng.random_bool(0.6));
    schema
}

/// A value of a schema; `big`: with a text that is larger than a page.
fn value(rng: &mut StdRng, schema: &Value, big: bool) -> Value {
    if schema["optional"] == true && rng.random_bool(0.25) {
        return Value::Null;
    }
    let name = schema["name"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default();
    let integer = |rng: &mut StdRng, bits: u32| {
        let edge = 1_i64 << (bits - 1);
        let edges = [0, 1, -1, edge.wrapping_sub(1), edge.wrapping_neg()];
        json!(if rng.random_bool(0.5) { edges[rng.random_range(0..edges.len())] } else { rng.random_range(-100..100) })
    };
    match (schema["type"].as_str().unwrap_or_default(), name) {
        ("int32", "Time") => json!(rng.random_range(0..86_400_000)),
        ("int32", "Date") => json!(rng.random_range(-30_000..30_000)),
        ("int64", "Timestamp") => json!(rng.random_range(-1_000_000_000_000_i64..4_000_000_000_000)),
        ("bytes", "Decimal") => json!(f64::from(rng.random_range(-100_000..100_000)) / 4.0),
        ("boolean", _) => json!(rng.random_bool(0.5)),
        ("int8", _) => integer(rng, 8),
        ("int16", _) => integer(rng, 16),
        ("int32", _) => integer(rng, 32),
        ("int64", _) => match rng.random_range(0..4) {
            0 => json!(i64::MAX),
            1 => json!(i64::MIN),
            2 => json!(9_007_199_254_740_993_i64),
            _ => json!(rng.random_range(-1000..1000)),
        },
        ("float", _) => json!(f64::from(rng.random_range(-1000..1000)) / 8.0),
        ("double", _) => match rng.random_range(0..4) {
            0 => json!(1.0e300),
            1 => json!(-2.5e-7),
            _ => json!(f64::from(rng.random_range(-1_000_000..1_000_000)) / 64.0),
        },
        ("bytes", _) => json!(["", "AA==", "AAECAwQFBgcICQr/"][rng.random_range(0..3)]),
        ("string", _) if big => json!("large ".repeat(50_000)),
        ("string", _) => json!(TEXTS[rng.random_range(0..TEXTS.len())]),
        ("array", _) => (0..rng.random_range(0..4)).map(|_| value(rng, &schema["items"], false)).collect(),
        ("map", _) => {
            let n = rng.random_range(0..3);
            if schema["keys"]["type"] == "string" {
                let entry = |i| (format!("k{i}"), value(rng, &schema["values"], false));
                return Value::Object((0..n).map(entry).collect());
            }
            (0..n).map(|i| json!([i, value(rng, &schema["values"], false)])).collect()
        }
        _ => {
            let fields = schema["fields"].as_array().into_iter().flatten();
            let one = |f: &Value| (f["field"].as_str().unwrap_or_default().to_owned(), value(rng, f, big));
            Value::Object(fields.map(one).collect())
        }
    }
}

fn schemaless(rng: &mut StdRng) -> Value {
    match rng.random_range(0..5) {
        0 => json!(TEXTS[rng.random_range(0..TEXTS.len())]),
        1 => json!(9_007_199_254_740_993_i64),
        2 => json!([1, 2.5, null, {"a": "b"}]),
        3 => json!(true),
        _ => json!({"a": 1, "b": {"c": [null, "ü"]}, "d": -0.125, "note": "mine"}),
    }
}
