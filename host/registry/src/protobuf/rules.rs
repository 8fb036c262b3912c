//! Tests of the compatibility rules and of differences.

use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{any_file, parsed};
use super::*;

fn file(syntax: &str, body: &str) -> String {
    format!("syntax = \"{syntax}\"; package p; enum E {{ ZERO = 0; }} message N {{}} message O {{}} {body}")
}

fn found(writer: &str, reader: &str) -> Vec<String> {
    cannot_read(&parsed(reader), &parsed(writer)).into_iter().map(|i| format!("{} {}", i.kind, i.path)).collect()
}

/// What `reader` finds wrong in messages of `writer`, both bodies of a message `M`.
fn check(writer: &str, reader: &str, expected: &[&str]) {
    let of = |body: &str| file("proto3", &format!("message M {{ {body} }}"));
    assert_eq!(found(&of(writer), &of(reader)), expected, "{writer} read by {reader}");
}

#[test]
fn fields_come_and_go() {
    check("string a = 1;", "string a = 1; string b = 2;", &[]);
    check("string a = 1; string b = 2;", "string a = 1;", &[]);
    check("string a = 1;", "string b = 1;", &[]);
    let of = |body: &str| file("proto2", &format!("message M {{ {body} }}"));
    assert_eq!(found(&of(""), &of("required int32 a = 1;")), ["REQUIRED_FIELD_ADDED #/M/1"]);
    assert_eq!(found(&of("required int32 a = 1;"), &of("")), ["REQUIRED_FIELD_REMOVED #/M/1"]);
    assert_eq!(found(&of("optional int32 a = 1;"), &of("required int32 a = 1;")), ["REQUIRED_FIELD_ADDED #/M/1"]);
    assert!(found(&of("required int32 a = 1;"), &of("optional int32 a = 1;")).is_empty());
}

#[test]
fn scalars_of_one_wire_type_read_each_other() {
    let groups: [&[&str]; 7] = [
        &["int32", "int64", "uint32", "uint64", "bool", "E"],
        &["sint32", "sint64"],
        &["fixed32", "sfixed32"],
        &["fixed64", "sfixed64"],
        &["string", "bytes"],
        &["float"],
        &["double"],
    ];
    for (i, from) in groups.iter().enumerate().flat_map(|(i, g)| g.iter().map(move |t| (i, t))) {
        for (j, to) in groups.iter().enumerate().flat_map(|(j, g)| g.iter().map(move |t| (j, t))) {
            let expected: &[&str] = if i == j { &[] } else { &["FIELD_SCALAR_KIND_CHANGED #/M/1"] };
            check(&format!("{from} a = 1;"), &format!("{to} a = 1;"), expected);
        }
    }
}

#[test]
fn kinds_and_named_types_stay() {
    check("string a = 1;", "N a = 1;", &["FIELD_KIND_CHANGED #/M/1"]);
    check("N a = 1;", "O a = 1;", &["FIELD_NAMED_TYPE_CHANGED #/M/1"]);
    check("map<string, int32> a = 1;", "map<string, int64> a = 1;", &[]);
    check("map<string, int32> a = 1;", "map<string, string> a = 1;", &["FIELD_SCALAR_KIND_CHANGED #/M/1"]);
    check("map<string, N> a = 1;", "map<string, O> a = 1;", &["FIELD_NAMED_TYPE_CHANGED #/M/1"]);
    check("map<string, N> a = 1;", "N a = 1;", &["FIELD_KIND_CHANGED #/M/1"]);
    check("message I { int32 a = 1; } I i = 1;", "message I { string a = 1; } I i = 1;", &["FIELD_SCALAR_KIND_CHANGED #/M/I/1"]);
}

#[test]
fn numbers_stay_alone_or_repeated() {
    check("int32 a = 1;", "repeated int32 a = 1;", &["FIELD_NUMERIC_LABEL_CHANGED #/M/1"]);
    check("repeated E a = 1;", "E a = 1;", &["FIELD_NUMERIC_LABEL_CHANGED #/M/1"]);
    check("string a = 1;", "repeated string a = 1;", &[]);
    check("repeated N a = 1;", "N a = 1;", &[]);
    check("int32 a = 1;", "optional int32 a = 1;", &[]);
}

#[test]
fn oneofs_keep_their_members() {
    let two = "oneof o { int32 a = 1; int32 b = 2; }";
    check(two, "oneof o { int32 a = 1; }", &["ONEOF_FIELD_REMOVED #/M/o/2"]);
    check("oneof o { int32 a = 1; }", two, &[]);
    check(two, "", &[]);
    check(two, "int32 a = 1;", &["ONEOF_FIELD_REMOVED #/M/o/2"]);
    check(two, "int32 a = 1; int32 b = 2;", &[]);
    check(two, "oneof o { int32 a = 1; } int32 b = 2;", &["ONEOF_FIELD_REMOVED #/M/o/2"]);
    check(two, "oneof o { int32 a = 1; } oneof q { int32 b = 2; }", &["ONEOF_FIELD_REMOVED #/M/o/2"]);
    check("int32 a = 1;", "oneof o { int32 a = 1; }", &[]);
    check("int32 a = 1;", two, &[]);
    check("int32 a = 1; int32 b = 2;", two, &["MULTIPLE_FIELDS_MOVED_TO_ONEOF #/M/o"]);
    check("int32 a = 1; oneof o { int32 b = 2; }", two, &["FIELD_MOVED_TO_EXISTING_ONEOF #/M/o"]);
    check("optional int32 a = 1; optional int32 b = 2;", "int32 a = 1; optional int32 b = 2;", &[]);
    check(two, "oneof q { string a = 1; int32 b = 2; }", &["FIELD_SCALAR_KIND_CHANGED #/M/q/1"]);
}

#[test]
fn messages_stay_and_enums_may_change() {
    let of = |body: &str| file("proto3", body);
    assert_eq!(found(&of("message M {}"), &of("")), ["MESSAGE_REMOVED #/M"]);
    assert!(found(&of(""), &of("message M {}")).is_empty());
    assert!(found(&of("message M {} message L {}"), &of("message L {} message M {}")).is_empty());
    check("message I {}", "", &["MESSAGE_REMOVED #/M/I"]);
    check("enum I { Z = 0; A = 1; }", "enum I { Z = 0; B = 1; C = 2; }", &[]);
    check("enum I { Z = 0; }", "", &[]);
    let moved = of("message M { N n = 1; }").replace("package p", "package q");
    assert_eq!(found(&of("message M { N n = 1; }"), &moved), ["PACKAGE_CHANGED #/"]);
}

#[test]
fn imported_messages_are_compared_where_they_are_used() {
    let with = |other: &str| {
        let text = "syntax = \"proto3\"; import \"other.proto\"; message M { o.A a = 1; }";
        let other = Dependency { name: "other.proto".into(), text: Arc::from(other) };
        ProtobufSchema::parse(text, &[other]).unwrap_or_else(|e| panic!("{e}"))
    };
    let one = with("syntax = \"proto3\"; package o; message A { B b = 1; } message B { int32 x = 1; A a = 2; }");
    let other = with("syntax = \"proto3\"; package o; message A { B b = 1; } message B { string x = 1; A a = 2; }");
    let kinds: Vec<_> = cannot_read(&other, &one).into_iter().map(|i| format!("{} {}", i.kind, i.path)).collect();
    assert_eq!(kinds, ["FIELD_SCALAR_KIND_CHANGED #/o.B/1"]);
    assert!(cannot_read(&one, &one).is_empty());
    // A chain of as many messages as a file can hold.
    let chain: String = (0..20_000).map(|i| format!("message A{i}{{A{} a=1;}}", i + 1)).collect();
    let chain = with(&format!("syntax = \"proto3\"; package o; message A{{A0 a=1;}} {chain} message A20000{{}}"));
    assert!(cannot_read(&chain, &chain).is_empty());
}

#[test]
fn differences_are_told_by_number() {
    let before =
        parsed(&file("proto3", "message M { string a = 1; int32 gone = 2; repeated N list = 3; enum K { A = 0; B = 1; } }"));
    let after = parsed(&file(
        "proto3",
        "message M { string b = 1; repeated O list = 3; map<string, E> m = 4; oneof o { bool c = 5; } enum K { A = 0; C = 1; D = 2; } } message X {}",
    ));
    let told: Vec<String> = changes(&before, &after)
        .into_iter()
        .map(|c| format!("{} {:?} {} > {}", c.path, c.kind, c.before.unwrap_or_default(), c.after.unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [
            "M.b Renamed a > b",
            "M.gone Removed int32 > ",
            "M.list TypeChanged repeated p.N > repeated p.O",
            "M.m Added  > map<string, p.E>",
            "M.c Added  > bool in oneof o",
            "M.K.C Renamed B > C",
            "M.K.D Added  > 2",
            "X Added  > message",
        ]
    );
    assert!(changes(&before, &before).is_empty());
    let moved = changes(
        &parsed("syntax = \"proto3\"; message A {} message B {}"),
        &parsed("syntax = \"proto3\"; message B {} message A {}"),
    );
    assert_eq!((moved.len(), moved[0].kind), (1, crate::ChangeKind::Reordered));
}

proptest! {
    #[test]
    fn a_schema_reads_what_it_wrote(text in any_file()) {
        let schema = parsed(&text);
        prop_assert_eq!(cannot_read(&schema, &schema), vec![]);
        prop_assert_eq!(changes(&schema, &schema), vec![]);
    }

    #[test]
    fn any_two_schemas_compare(one in any_file(), other in any_file()) {
        let (one, other) = (parsed(&one), parsed(&other));
        cannot_read(&one, &other);
        changes(&one, &other);
    }
}
