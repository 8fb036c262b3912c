use std::sync::Arc;

use base64::Engine as _;
use proptest::prelude::*;
use prost::Message as _;

use super::*;

pub(super) fn parsed(text: &str) -> ProtobufSchema {
    ProtobufSchema::parse(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn dependency(name: &str, text: &str) -> Dependency {
    Dependency { name: name.into(), text: Arc::from(text) }
}

fn refused(text: &str) -> String {
    ProtobufSchema::parse(text, &[]).expect_err(text).0
}

const ALL: &str = r#"
// A comment.
syntax = "proto3";
package com.acme;
import "google/protobuf/timestamp.proto";
import "confluent/meta.proto";
import public "google/type/date.proto";
option java_package = "com.acme";
option (confluent.file_meta).doc = "it's \"all\"";

message Order {
  option deprecated = true;
  reserved 9, 20 to 22;
  reserved "old";
  string id = 1 [json_name = "ID", deprecated = true];
  optional int64 count = 2;
  repeated Line lines = 3;
  map<string, .com.acme.Order.Line> by_name = 4;
  google.protobuf.Timestamp at = 5;
  oneof how { string card = 6; Kind kind = 7; }
  google.type.Date day = 8;
  bytes price = 10 [(confluent.field_meta) = { params: [{ key: "scale", value: "2" }] }];
  message Line { int32 n = 1; message Deep {} }
  enum Kind { option allow_alias = true; KIND_NONE = 0; KIND_A = 1; KIND_B = 1; }
}
enum Top { TOP_NONE = 0; }
service Orders { rpc Get (Order) returns (stream Order) { option deprecated = true; } rpc Put (stream Order) returns (Order); }
"#;

const CANONICAL: &str = r#"syntax = "proto3";
package com.acme;

import "google/protobuf/timestamp.proto";
import "confluent/meta.proto";
import public "google/type/date.proto";

option java_package = "com.acme";
option (confluent.file_meta).doc = "it's \"all\"";

message Order {
  reserved 9, 20 to 22;
  reserved "old";

  option deprecated = true;

  string id = 1 [
    deprecated = true,
    json_name = "ID"
  ];
  optional int64 count = 2;
  repeated Line lines = 3;
  map<string, .com.acme.Order.Line> by_name = 4;
  google.protobuf.Timestamp at = 5;
  google.type.Date day = 8;
  bytes price = 10 [(confluent.field_meta) = { params: [ { key: "scale", value: "2" } ] }];

  oneof how {
    string card = 6;
    Kind kind = 7;
  }

  message Line {
    int32 n = 1;

    message Deep {}
  }
  enum Kind {
    option allow_alias = true;

    KIND_NONE = 0;
    KIND_A = 1;
    KIND_B = 1;
  }
}

enum Top {
  TOP_NONE = 0;
}

service Orders {
  rpc Get (Order) returns (stream Order) {
    option deprecated = true;
  };
  rpc Put (stream Order) returns (Order);
}
"#;

#[test]
fn canonical_text_has_one_layout() {
    let schema = parsed(ALL);
    assert_eq!(schema.canonical(), CANONICAL);
    assert_eq!(parsed(CANONICAL).canonical(), CANONICAL);
    assert_eq!(
        parsed("syntax = \"proto3\"; package com.acme; message MyRecord { string f1 = 1; }").canonical(),
        "syntax = \"proto3\";\npackage com.acme;\n\nmessage MyRecord {\n  string f1 = 1;\n}\n"
    );
}

#[test]
fn proto2_keeps_all_it_has() {
    let text = r#"syntax = "proto2";

message A {
  required int32 a = 1;
  optional string b = 2 [default = "x\"\\y"];
  optional double c = 3 [default = -1.5];
  optional E e = 4 [default = TWO];
  repeated group Part = 5 {
    optional bool in_it = 1 [default = true];
  }
  optional bytes raw = 6 [default = "\001\377"];

  extensions 100 to max;

  enum E {
    ONE = 1;
    TWO = 2;
  }
}

extend A {
  optional int32 more = 100;
}
"#;
    assert_eq!(parsed(text).canonical(), text);
    assert_eq!(parsed(&text.replacen("syntax = \"proto2\";\n", "", 1)).canonical(), text);
}

#[test]
fn normalized_text_is_the_same_in_any_order() {
    let one = r#"syntax = "proto3"; package a.b; import "google/protobuf/any.proto"; import "confluent/meta.proto";
        option java_package = "x"; option java_multiple_files = true;
        message M { N n = 2; google.protobuf.Any any = 1; int32 k = 3 [(confluent.field_meta) = { doc: "d" params { key: "k" value: "v" } }]; }
        message N {}"#;
    let other = r#"syntax = "proto3"; package a.b; import "confluent/meta.proto"; import "google/protobuf/any.proto";
        option java_multiple_files = true; option java_package = "x";
        message M { .google.protobuf.Any any = 1; a.b.N n = 2; int32 k = 3 [(.confluent.field_meta) = { params: [{ key: "k", value: "v" }], doc: "d" }]; }
        message N {}"#;
    assert_eq!(parsed(one).normalized(), parsed(other).normalized());
    assert_ne!(parsed(one).canonical(), parsed(other).canonical());
    let again = parsed(&parsed(one).normalized());
    assert_eq!(again.normalized(), parsed(one).normalized());
    assert_eq!(again.canonical(), parsed(one).normalized(), "{}", again.canonical());
    let all = parsed(ALL).normalized();
    assert_eq!(parsed(&all).normalized(), all);
}

#[test]
fn serialized_descriptors_are_read() {
    let proto = parsed(ALL).file().encode_to_vec();
    let text = base64::engine::general_purpose::STANDARD.encode(proto);
    let schema = parsed(&text);
    assert_eq!(schema.normalized(), parsed(ALL).normalized());
    assert_eq!(parsed(&schema.canonical()).normalized(), schema.normalized());
    // Bare descriptors, as clients without linked options send them.
    let bare = prost_types::FileDescriptorProto {
        name: Some("x.proto".into()),
        syntax: Some("proto3".into()),
        message_type: vec![prost_types::DescriptorProto { name: Some("A".into()), ..Default::default() }],
        ..Default::default()
    };
    let text = base64::engine::general_purpose::STANDARD.encode(bare.encode_to_vec());
    assert_eq!(parsed(&text).canonical(), "syntax = \"proto3\";\n\nmessage A {}\n");
    assert!(refused("AAAA").contains("no FileDescriptorProto"));
}

#[test]
fn imports_come_from_dependencies() {
    let other = dependency("dir/other.proto", "syntax = \"proto3\"; package o; import \"base.proto\"; message O { b.B b = 1; }");
    let base = dependency("base.proto", "syntax = \"proto3\"; package b; message B {}");
    let text = "syntax = \"proto3\"; import \"dir/other.proto\"; message A { o.O o = 1; }";
    let schema = ProtobufSchema::parse(text, &[base.clone(), other.clone()]).expect("it is linked");
    let field = schema.message(&[0]).and_then(|m| m.get_field(1)).expect("there is a field");
    assert_eq!(field.kind().as_message().map(|m| m.full_name().to_owned()).as_deref(), Some("o.O"));
    assert!(schema.message_named("A").is_some());
    assert!(schema.message_named("o.O").is_none(), "not of this file");
    let said = ProtobufSchema::parse(text, &[other]).expect_err("base is missing").0;
    assert!(said.contains("base.proto") && said.contains("references"), "{said}");
    let ring = [
        dependency("a.proto", "syntax = \"proto3\"; import \"b.proto\";"),
        dependency("b.proto", "syntax = \"proto3\"; import \"a.proto\";"),
    ];
    assert!(ProtobufSchema::parse("syntax = \"proto3\"; import \"a.proto\";", &ring).is_err());
    // The schema's own file has a name, which a dependency may have, too.
    let named = dependency("schema.proto", "syntax = \"proto3\"; package s; message S {}");
    assert!(ProtobufSchema::parse("syntax = \"proto3\"; import \"schema.proto\"; message A { s.S s = 1; }", &[named]).is_ok());
}

#[test]
fn well_known_files_need_no_dependency() {
    for file in [
        "google/protobuf/any.proto",
        "google/protobuf/descriptor.proto",
        "google/protobuf/struct.proto",
        "google/protobuf/wrappers.proto",
        "confluent/meta.proto",
        "confluent/type/decimal.proto",
        "google/type/calendar_period.proto",
        "google/type/color.proto",
        "google/type/date.proto",
        "google/type/datetime.proto",
        "google/type/dayofweek.proto",
        "google/type/fraction.proto",
        "google/type/latlng.proto",
        "google/type/money.proto",
        "google/type/month.proto",
        "google/type/timeofday.proto",
    ] {
        parsed(&format!("syntax = \"proto3\"; import \"{file}\"; message A {{}}"));
    }
}

#[test]
fn indexes_name_messages() {
    let text = "syntax = \"proto3\"; package p; message A { message B {} message C { message D {} } } message E {}";
    let schema = parsed(text);
    for (indexes, name) in [(vec![0], "p.A"), (vec![1], "p.E"), (vec![0, 1], "p.A.C"), (vec![0, 1, 0], "p.A.C.D")] {
        assert_eq!(schema.indexes(name), Some(indexes.clone()));
        assert_eq!(schema.message(&indexes).map(|m| m.full_name().to_owned()).as_deref(), Some(name));
    }
    assert_eq!(schema.message(&[]).map(|m| m.full_name().to_owned()).as_deref(), Some("p.A"));
    assert!(schema.message(&[2]).is_none());
    assert!(schema.message(&[0, -1]).is_none());
    assert!(schema.indexes("p.X").is_none());
}

#[test]
fn indexes_are_the_same_once_printed() {
    for body in [
        "message N {} map<string, N> m = 2; map<string, int32> l = 1; string s = 3;",
        "map<string, N> m = 1; message N {} message O {} map<string, O> k = 2;",
        "map<string, int32> m = 1; string s = 2; message N {}",
        "map<string, int32> b = 2; message N {} map<string, int32> a = 1;",
    ] {
        let schema = parsed(&format!("syntax = \"proto3\"; message A {{ {body} }}"));
        for text in [schema.canonical(), schema.normalized()] {
            assert_eq!(parsed(&text).indexes("A.N"), schema.indexes("A.N"), "{text}");
        }
    }
    let first = parsed("syntax = \"proto3\"; message A { message N {} string s = 1; map<string, N> m = 2; }");
    let printed = "syntax = \"proto3\";\n\nmessage A {\n  string s = 1;\n\n  message N {}\n\n  map<string, N> m = 2;\n}\n";
    assert_eq!(first.canonical(), printed);
}

#[test]
fn entries_of_maps_may_be_spelled_out() {
    let text = "syntax = \"proto3\"; message A { repeated .A.MEntry m = 1;
        message MEntry { option map_entry = true; string key = 1; int32 value = 2; } }";
    assert_eq!(parsed(text).canonical(), "syntax = \"proto3\";\n\nmessage A {\n  map<string, int32> m = 1;\n}\n");
    assert!(parsed(text).message(&[0]).and_then(|m| m.get_field(1)).is_some_and(|f| f.is_map()));
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    for (text, says) in [
        ("", "empty"),
        ("message", "no .proto file"),
        ("syntax = \"proto3\";\nmessage A { strin a = 1; }", "strin"),
        ("syntax = \"proto3\";\nmessage A { string a = 0; }", "line 2"),
        ("syntax = \"proto3\"; message A { string a = 1; string b = 1; }", "linked"),
        ("syntax = \"proto3\"; import \"x.proto\";", "register that file and list it in \"references\""),
        ("syntax = \"proto4\";", "no .proto file"),
    ] {
        let said = refused(text);
        assert!(said.contains(says), "{text}: {said}");
    }
    assert!(refused(&format!("//{}", "x".repeat(TEXT_BYTES_MAX))).contains("at most"));
    let deep = format!("syntax = \"proto3\"; {}{}", "message A {".repeat(5000), "}".repeat(5000));
    assert!(refused(&deep).contains("deep"));
    let deep = format!("option (a) = {}{};", "{ a: ".repeat(5000), "}".repeat(5000));
    assert!(refused(&deep).contains("deep"));
}

/// Messages of random shape: fields by kind, nested messages, oneofs and enums.
pub(super) fn any_file() -> impl Strategy<Value = String> {
    let scalar =
        prop::sample::select(vec!["int32", "string", "bytes", "double", "sint64", "fixed32", "bool", "E", "google.protobuf.Any"]);
    let label = prop::sample::select(vec!["", "optional ", "repeated "]);
    let field = (scalar.clone(), label, any::<bool>()).prop_map(|(of, label, map)| match map {
        true => format!("map<string, {of}>"),
        false => format!("{label}{of}"),
    });
    let fields = (prop::collection::vec(field, 0..6), prop::collection::vec(scalar, 0..3));
    let body = fields.prop_map(|(fields, one)| {
        let mut out = String::new();
        for (i, of) in fields.iter().enumerate() {
            out += &format!("{of} f_{i} = {}; ", 20 - i);
        }
        let members: String = one.iter().enumerate().map(|(i, of)| format!("{of} o{i} = {}; ", 30 + i)).collect();
        if members.is_empty() { out } else { format!("{out} oneof how {{ {members} }}") }
    });
    prop::collection::vec((body.clone(), prop::option::of(body)), 0..3).prop_map(|messages| {
        let mut out =
            "syntax = \"proto3\"; package p; import \"google/protobuf/any.proto\"; enum E { ZERO = 0; ONE = 1; }".to_owned();
        for (i, (body, nested)) in messages.iter().enumerate() {
            let nested = nested.as_ref().map_or(String::new(), |body| format!("message N {{ {body} }}"));
            out += &format!("message M{i} {{ {nested} {body} }}");
        }
        out
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = ProtobufSchema::parse(&text, &[]);
    }

    #[test]
    fn broken_texts_are_read_or_refused(cut in 0usize..1100, length in 0usize..20, with in "[a-z{}\\[\\]()<>=;\"0-9 ./]{0,6}") {
        let mut text = ALL.to_owned();
        let end = (cut + length).min(text.len());
        let cut = cut.min(end);
        text.replace_range(cut..end, &with);
        let _ = ProtobufSchema::parse(&text, &[]);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = ProtobufSchema::parse(&base64::engine::general_purpose::STANDARD.encode(bytes), &[]);
    }

    #[test]
    fn what_is_printed_is_the_same_schema(text in any_file()) {
        let schema = parsed(&text);
        let again = parsed(&schema.canonical());
        prop_assert_eq!(again.canonical(), schema.canonical());
        prop_assert_eq!(again.normalized(), schema.normalized());
        let normal = parsed(&schema.normalized());
        prop_assert_eq!(normal.normalized(), schema.normalized());
        let serialized = base64::engine::general_purpose::STANDARD.encode(schema.file().encode_to_vec());
        prop_assert_eq!(parsed(&serialized).normalized(), schema.normalized());
    }
}
