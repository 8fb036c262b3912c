//! Differences for people.

use super::*;
use crate::ChangeKind;

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"n.R","fields":[{fields}]}}"#)
}

/// Each change as `path kind before -> after`.
fn check(before: &str, after: &str, expected: &[&str]) {
    let told: Vec<String> = changes(&parse(before), &parse(after))
        .into_iter()
        .map(|c| {
            let kind = match c.kind {
                ChangeKind::Added => "added",
                ChangeKind::Removed => "removed",
                ChangeKind::Renamed => "renamed",
                ChangeKind::TypeChanged => "type",
                ChangeKind::DefaultChanged => "default",
                ChangeKind::DocChanged => "doc",
                ChangeKind::Reordered => "reordered",
            };
            let side = |s: Option<String>| s.unwrap_or("-".into());
            format!("{} {kind}: {} -> {}", c.path, side(c.before), side(c.after))
        })
        .collect();
    assert_eq!(told, expected, "{before}\n{after}");
}

#[test]
fn nothing_differs_from_itself() {
    let text = record(r#"{"name":"a","type":["null","n.R"],"default":null}"#);
    check(&text, &text, &[]);
}

#[test]
fn fields_come_go_and_change() {
    check(
        &record(r#"{"name":"a","type":"int"},{"name":"b","type":"string","doc":"x"},{"name":"c","type":"long"}"#),
        &record(
            r#"{"name":"a","type":"long","default":1},{"name":"b","type":"string","doc":"y"},{"name":"d","type":["null","string"],"default":null}"#,
        ),
        &[
            "c removed: long -> -",
            "a type: int -> long",
            "a default: - -> 1",
            "b doc: x -> y",
            "d added: - -> union<null, string> = null",
        ],
    );
}

#[test]
fn an_alias_is_a_new_name() {
    check(
        &record(r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#),
        &record(r#"{"name":"b","type":"int"},{"name":"z","type":"long","aliases":["a"]}"#),
        &["z renamed: a -> z", "z type: int -> long", " reordered: a, b -> b, a"],
    );
    check(
        r#"{"type":"record","name":"R","fields":[]}"#,
        r#"{"type":"record","name":"S","aliases":["R"],"doc":"d","fields":[]}"#,
        &[" renamed: R -> S", " doc: - -> d"],
    );
}

#[test]
fn records_within_are_told_by_their_path() {
    let with = |inner: &str| {
        record(&format!(
            r#"{{"name":"lines","type":{{"type":"array","items":["null",{{"type":"record","name":"Line","fields":[{inner}]}}]}}}},{{"name":"more","type":"Line"}}"#
        ))
    };
    check(
        &with(r#"{"name":"sku","type":"string"}"#),
        &with(r#"{"name":"sku","type":"string"},{"name":"n","type":"int","default":1}"#),
        &["lines.n added: - -> int = 1"],
    );
    // A record that becomes nullable is still looked into.
    check(
        &record(r#"{"name":"a","type":{"type":"record","name":"A","fields":[]}}"#),
        &record(r#"{"name":"a","type":["null",{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]}]}"#),
        &["a type: record n.A -> union<null, record n.A>", "a.x added: - -> int"],
    );
    // One that has a new name is not another type.
    check(
        &record(r#"{"name":"a","type":{"type":"record","name":"A","fields":[]}}"#),
        &record(r#"{"name":"a","type":{"type":"record","name":"B","fields":[]}}"#),
        &["a renamed: n.A -> n.B"],
    );
}

#[test]
fn enums_fixed_and_logical_types() {
    let field = |t: &str| record(&format!(r#"{{"name":"v","type":{t}}}"#));
    let e = |symbols: &str| field(&format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#));
    check(&e(r#""A""#), &e(r#""A","B""#), &["v type: enum n.E {A} -> enum n.E {A, B}"]);
    check(&e(r#""A","B""#), &e(r#""B","A""#), &["v reordered: enum n.E {A, B} -> enum n.E {B, A}"]);
    let f = |size: u32| field(&format!(r#"{{"type":"fixed","name":"F","size":{size}}}"#));
    check(&f(4), &f(8), &["v type: fixed n.F(4) -> fixed n.F(8)"]);
    check(
        &field(r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#),
        &field(r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}"#),
        &["v type: bytes (decimal(9, 2)) -> bytes (decimal(9, 3))"],
    );
    check(
        &field(r#""int""#),
        &field(r#"{"type":"int","connect.name":"io.debezium.time.Date"}"#),
        &["v type: int -> int (io.debezium.time.Date)"],
    );
    check(r#""int""#, r#""string""#, &[" type: int -> string"]);
}
