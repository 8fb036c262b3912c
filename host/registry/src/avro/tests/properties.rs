//! What holds for any schema.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::ParsedSchema;
use crate::compatibility::Level;

/// A schema without the names of its types, which are given when it is written.
#[derive(Debug, Clone)]
enum Shape {
    Primitive(usize),
    Logical(usize),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Union(Vec<Shape>),
    /// Fields, and whether each is nullable with a default and has been renamed.
    Record(Vec<(Shape, bool, bool)>),
    Enum(usize, bool),
    Fixed(u8),
    /// The record that it is in.
    Again,
}

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        (0..8usize).prop_map(Shape::Primitive),
        (0..3usize).prop_map(Shape::Logical),
        (1..5usize, any::<bool>()).prop_map(|(n, d)| Shape::Enum(n, d)),
        any::<u8>().prop_map(Shape::Fixed),
        Just(Shape::Again),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let fields = prop::collection::vec((inner.clone(), any::<bool>(), any::<bool>()), 0..5);
        prop_oneof![
            inner.clone().prop_map(|s| Shape::Array(Box::new(s))),
            inner.clone().prop_map(|s| Shape::Map(Box::new(s))),
            prop::collection::vec(inner, 1..4).prop_map(Shape::Union),
            fields.clone().prop_map(Shape::Record),
            fields.prop_map(Shape::Record),
        ]
    })
}

/// `within`: the records around, the innermost last.
fn write(shape: &Shape, types: &mut usize, within: &mut Vec<String>) -> Value {
    let name = |types: &mut usize| {
        *types += 1;
        format!("{}T{types}", if *types % 3 == 0 { "other." } else { "" })
    };
    match shape {
        Shape::Primitive(at) => json!(PRIMITIVES[*at]),
        Shape::Logical(0) => json!({"type": "int", "logicalType": "date", "connect.name": "x"}),
        Shape::Logical(1) => json!({"type": "bytes", "scale": 2, "precision": 9, "logicalType": "decimal"}),
        Shape::Logical(_) => json!({"type": "long", "unknown": {"b": [1.5, null], "a": 1}}),
        Shape::Array(of) => json!({"type": "array", "items": write(of, types, within)}),
        Shape::Map(of) => json!({"type": "map", "values": write(of, types, within), "p": "q"}),
        Shape::Union(branches) => {
            let mut seen = std::collections::HashSet::new();
            let mut kept = Vec::new();
            for branch in branches {
                let kind = match branch {
                    Shape::Union(_) => continue,
                    Shape::Primitive(at) => PRIMITIVES[*at],
                    Shape::Logical(at) => ["int", "bytes", "long"][*at],
                    Shape::Array(_) => "array",
                    Shape::Map(_) => "map",
                    Shape::Again if within.is_empty() => continue,
                    Shape::Again => "again",
                    Shape::Record(_) | Shape::Enum(..) | Shape::Fixed(_) => "",
                };
                if kind.is_empty() || seen.insert(kind) {
                    kept.push(write(branch, types, within));
                }
            }
            Value::Array(kept)
        }
        Shape::Record(fields) => {
            let name = name(types);
            within.push(name.clone());
            let fields: Vec<Value> = fields
                .iter()
                .enumerate()
                .map(|(i, (shape, nullable, renamed))| {
                    let mut field = json!({"name": format!("f{i}"), "type": write(shape, types, within)});
                    if *nullable && matches!(shape, Shape::Record(_) | Shape::Array(_) | Shape::Fixed(_)) {
                        field["type"] = json!(["null", field["type"]]);
                        field["default"] = Value::Null;
                    }
                    if *renamed {
                        field["aliases"] = json!([format!("old{i}")]);
                        field["doc"] = json!("\"quoted\"");
                    }
                    field
                })
                .collect();
            within.pop();
            json!({"doc": "d", "type": "record", "fields": fields, "name": name})
        }
        Shape::Enum(symbols, default) => {
            let symbols: Vec<String> = (0..*symbols).map(|i| format!("S{i}")).collect();
            let mut made = json!({"type": "enum", "name": name(types), "symbols": symbols, "aliases": ["Once"]});
            if *default {
                made["default"] = json!("S0");
            }
            made
        }
        Shape::Fixed(size) => json!({"type": "fixed", "name": name(types), "size": size}),
        Shape::Again => match within.last() {
            Some(name) => json!(name),
            None => json!("string"),
        },
    }
}

fn record() -> impl Strategy<Value = Value> {
    prop::collection::vec((shape(), any::<bool>(), any::<bool>()), 0..5)
        .prop_map(|fields| write(&Shape::Record(fields), &mut 0, &mut Vec::new()))
}

fn allowed(level: Level, old: &AvroSchema, new: &AvroSchema) -> bool {
    let old = ParsedSchema::Avro(old.clone());
    level.violations(&ParsedSchema::Avro(new.clone()), &[&old]).is_none()
}

proptest! {
    #[test]
    fn texts_are_read_as_what_they_were(schema in record()) {
        let schema = parse(&schema.to_string());
        let canonical = schema.canonical();
        prop_assert_eq!(&parse(&canonical).canonical(), &canonical);
        let normalized = schema.normalized();
        prop_assert_eq!(&parse(&normalized).normalized(), &normalized);
        prop_assert_eq!(&parse(&canonical).normalized(), &normalized);
        prop_assert!(cannot_read(&schema, &parse(&normalized)).is_empty());
        prop_assert!(cannot_read(&parse(&normalized), &schema).is_empty());
    }

    #[test]
    fn a_schema_reads_itself(schema in record()) {
        let schema = parse(&schema.to_string());
        prop_assert!(cannot_read(&schema, &schema).is_empty());
        prop_assert!(changes(&schema, &schema).is_empty());
    }

    #[test]
    fn a_field_with_a_default_may_come_and_go(schema in record(), at in any::<prop::sample::Index>()) {
        let old = parse(&schema.to_string());
        let mut more = schema.clone();
        let fields = more["fields"].as_array_mut().expect("a record");
        let place = at.index(fields.len() + 1);
        fields.insert(place, json!({"name": "added", "type": ["null", "string"], "default": null}));
        let new = parse(&more.to_string());
        for level in [Level::Backward, Level::Forward, Level::Full] {
            prop_assert!(allowed(level, &old, &new));
            prop_assert!(allowed(level, &new, &old));
        }
        let told: Vec<_> = changes(&old, &new).into_iter().map(|c| (c.path, c.kind)).collect();
        prop_assert_eq!(told, vec![("added".to_owned(), crate::ChangeKind::Added)]);
    }

    #[test]
    fn a_field_without_a_default_may_come_and_not_go(schema in record()) {
        let old = parse(&schema.to_string());
        let mut more = schema.clone();
        more["fields"].as_array_mut().expect("a record").push(json!({"name": "added", "type": "string"}));
        let new = parse(&more.to_string());
        prop_assert!(!allowed(Level::Backward, &old, &new));
        prop_assert!(allowed(Level::Forward, &old, &new));
    }

    #[test]
    fn any_two_schemas_can_be_compared(one in record(), other in record()) {
        let (one, other) = (parse(&one.to_string()), parse(&other.to_string()));
        let full = allowed(Level::Full, &one, &other);
        prop_assert_eq!(full, cannot_read(&one, &other).is_empty() && cannot_read(&other, &one).is_empty());
        changes(&one, &other);
    }

    #[test]
    fn garbage_is_refused_and_nothing_worse(text in r#"(\{|\}|\[|\]|,|:|"type"|"name"|"record"|"enum"|"fields"|"items"|"int"|1|/\*|//|"|\\|é){0,24}"#) {
        let _ = AvroSchema::parse(&text, &[]);
    }
}

#[test]
fn reasons_do_not_multiply_with_uses() {
    let chain = |leaf: &str| {
        let mut text = format!(r#"{{"type":"record","name":"T0","fields":[{{"name":"v","type":"{leaf}"}}]}}"#);
        for i in 1..40 {
            let before = i - 1;
            text = format!(
                r#"{{"type":"record","name":"T{i}","fields":[{{"name":"x","type":{text}}},{{"name":"y","type":"T{before}"}}]}}"#
            );
        }
        parse(&text)
    };
    assert_eq!(cannot_read(&chain("int"), &chain("string")).len(), 1);
}

#[test]
fn depth_is_limited() {
    // Each type is used before it is defined, so that the canonical text is as deep as there are types.
    let chain = |length: usize| {
        let mut types: Vec<Value> = (0..length)
            .map(|i| json!({"type": "record", "name": format!("T{i}"), "fields": [{"name": "n", "type": format!("T{}", i + 1)}]}))
            .collect();
        types.push(json!({"type": "record", "name": format!("T{length}"), "fields": []}));
        Value::Array(types).to_string()
    };
    let deep = parse(&chain(40));
    assert_eq!(parse(&deep.canonical()).canonical(), deep.canonical());
    assert!(refused(&chain(20_000)).contains("levels deep"));
    let nested = "[".repeat(50_000);
    assert!(refused(&nested).contains("not JSON"));
    // Wide is no matter: every type after the one it holds.
    let wide: Vec<Value> = (0..3_000)
        .map(|i: usize| {
            let of = if i == 0 { json!("int") } else { json!(format!("T{}", i - 1)) };
            json!({"type": "record", "name": format!("T{i}"), "fields": [{"name": "n", "type": of}]})
        })
        .collect();
    let wide = parse(
        &json!({"type": "record", "name": "R", "fields":
        wide.into_iter().enumerate().map(|(i, t)| json!({"name": format!("f{i}"), "type": t})).collect::<Vec<_>>()})
        .to_string(),
    );
    assert!(cannot_read(&wide, &wide).is_empty());
    assert!(changes(&wide, &wide).is_empty());
}

#[test]
fn pairs_are_compared_to_a_depth() {
    // Flat as text, deep as a pair: the writer's type holds itself, so that each of the reader's is met for the first time
    // inside the one that holds it.
    let reader = |length: usize| {
        let of = |i: usize| if i == 0 { json!({"type": "array", "items": "T"}) } else { json!(format!("T{}", i - 1)) };
        let field = |i: usize| {
            let made = json!({"type": "record", "name": format!("T{i}"), "fields": [{"name": "n", "type": of(i)}]});
            let place = if i + 1 == length { json!("last") } else { json!(format!("f{i}")) };
            json!({"name": place, "type": ["null", made], "default": null})
        };
        let leaf = json!({"name": "leaf", "type": ["null", {"type": "record", "name": "T", "fields": []}], "default": null});
        let fields: Vec<Value> = std::iter::once(leaf).chain((0..length).map(field)).collect();
        parse(&json!({"type": "record", "name": "R", "fields": fields}).to_string())
    };
    let writer = parse(
        r#"{"type":"record","name":"R","fields":[{"name":"last","type":{"type":"record","name":"W","fields":[{"name":"n","type":"W"}]}}]}"#,
    );
    let reasons = |length| cannot_read(&reader(length), &writer);
    assert!(reasons(100).iter().all(|r| r.kind == "MISSING_UNION_BRANCH"), "{:?}", reasons(100));
    let deep = reasons(3_000);
    assert!(deep.len() == 1 && deep[0].description.contains("nested deeper"), "{deep:?}");
}
