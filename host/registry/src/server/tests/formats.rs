//! Schemas in other texts, and what the API has beside: modes of several subjects, parameters in other spellings.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Log, Server};

fn server() -> Server {
    Server::on(&Arc::new(Log::default()))
}

fn record(name: &str, of: Value) -> Value {
    json!({"schema": json!({"type": "record", "name": name, "fields": [{"name": "f", "type": of}]}).to_string()})
}

#[tokio::test]
async fn avro_resolved() {
    let s = server();
    s.well("POST", "/subjects/a/versions", Some(record("R", json!("int")))).await;
    let mut outer = record("S", json!("R"));
    outer["references"] = json!([{"name": "R", "subject": "a", "version": 1}]);
    let id = s.well("POST", "/subjects/s/versions", Some(outer.clone())).await["id"].clone();
    let whole = r#"{"type":"record","name":"S","fields":[{"name":"f","type":{"type":"record","name":"R","fields":[{"name":"f","type":"int"}]}}]}"#;
    let stored = s.well("GET", &format!("/schemas/ids/{id}"), None).await;
    assert_eq!(stored["schema"], outer["schema"]);
    for path in ["/subjects/s/versions/1", "/subjects/s/versions/latest", &format!("/schemas/ids/{id}"), "/subjects/s/metadata"] {
        let shown = s.well("GET", &format!("{path}?format=resolved"), None).await;
        assert_eq!(shown["schema"], whole, "{path}");
        assert_eq!((&shown["references"], &shown["guid"]), (&stored["references"], &stored["guid"]), "{path}");
    }
    let guid = stored["guid"].as_str().unwrap_or_default();
    assert_eq!(s.well("GET", &format!("/schemas/guids/{guid}?format=resolved"), None).await["schema"], whole);
    assert_eq!(s.well("POST", "/subjects/s?format=resolved", Some(outer.clone())).await["schema"], whole);
    for path in ["/subjects/s/versions/1/schema", &format!("/schemas/ids/{id}/schema")] {
        let shown = s.well("GET", &format!("{path}?format=RESOLVED"), None).await;
        assert_eq!(shown.to_string(), serde_json::from_str::<Value>(whole).unwrap().to_string(), "{path}");
    }
    // What is of another type or not known changes nothing.
    for format in ["", "serialized", "ignore_extensions", "later"] {
        let shown = s.well("GET", &format!("/schemas/ids/{id}?format={format}"), None).await;
        assert_eq!(shown, stored, "{format}");
    }
    // References with their context.
    for parameter in ["referenceFormat", "reference_format"] {
        let shown = s.well("GET", &format!("/schemas/ids/{id}?{parameter}=qualified"), None).await;
        assert_eq!(shown["references"], json!([{"name": "R", "subject": ":.:a", "version": 1}]));
        assert_eq!(shown["schema"], outer["schema"]);
    }
    // Still so when what it refers to is deleted, not for good.
    s.well("DELETE", "/subjects/s", None).await;
    s.well("DELETE", "/subjects/a", None).await;
    assert_eq!(s.well("GET", &format!("/schemas/ids/{id}?format=resolved"), None).await["schema"], whole);
}

#[tokio::test]
async fn protobuf_serialized_and_without_extensions() {
    use base64::Engine as _;
    use prost::Message as _;
    let s = server();
    let text = r#"
        syntax = "proto2";
        package p;
        import "google/protobuf/descriptor.proto";
        extend google.protobuf.FieldOptions { optional string note = 50001; }
        message M {
          option (kept) = 1;
          optional int32 a = 1 [(note) = "x", deprecated = true];
          extensions 100 to 200;
          extend M { optional int32 more = 100; }
        }
        extend google.protobuf.MessageOptions { optional int32 kept = 50002; }
    "#;
    let body = json!({"schemaType": "PROTOBUF", "schema": text});
    s.well("POST", "/subjects/m/versions", Some(body.clone())).await;
    let stored = s.well("GET", "/subjects/m/versions/1", None).await;
    assert!(stored["schema"].as_str().unwrap_or_default().contains("(note) = \"x\""), "{stored}");
    let plain = s.well("GET", "/subjects/m/versions/1?format=ignore_extensions", None).await;
    let plain = plain["schema"].as_str().unwrap_or_default();
    assert!(!plain.contains("note") && !plain.contains("extend ") && !plain.contains("kept"), "{plain}");
    assert!(plain.contains("optional int32 a = 1 [deprecated = true];"), "{plain}");
    let encoded = s.well("GET", "/schemas/ids/1?format=serialized", None).await["schema"].clone();
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.as_str().unwrap_or_default()).expect("Base64");
    let file = prost_types::FileDescriptorProto::decode(bytes.as_slice()).expect("a file");
    assert_eq!((file.package(), file.message_type[0].name()), ("p", "M"));
    // What is given out is taken back, and is the same schema.
    let again = json!({"schemaType": "PROTOBUF", "schema": encoded});
    assert_eq!(s.well("POST", "/subjects/m?normalize=true", Some(again)).await["version"], 1);
    let shown = s.well("POST", "/subjects/m?format=serialized", Some(body)).await;
    assert_eq!(shown["schema"], encoded);
}

#[tokio::test]
async fn a_registry_that_another_one_writes() {
    let s = server();
    s.well("POST", "/subjects/a/versions", Some(record("R", json!("int")))).await;
    assert_eq!(s.well("PUT", "/mode", Some(json!({"mode": "FORWARD"}))).await, json!({"mode": "FORWARD"}));
    assert_eq!(s.well("GET", "/mode", None).await, json!({"mode": "FORWARD"}));
    let (code, message) = s.fails("POST", "/subjects/a/versions", Some(record("S", json!("int")))).await;
    assert!(code == 42205 && message.contains("there is no registry to forward to"), "{message}");
    // What is there is read, and registering it again is no change, but no writing either.
    assert_eq!(s.well("GET", "/subjects", None).await, json!(["a"]));
    assert_eq!(s.fails("DELETE", "/subjects/a", None).await.0, 42205);
    s.well("PUT", "/mode", Some(json!({"mode": "READWRITE"}))).await;
    s.well("DELETE", "/subjects/a", None).await;
}

#[tokio::test]
async fn modes_of_many_are_taken_back_at_once() {
    let s = server();
    for subject in ["a", "b", ":.eu:a", ":.eu:b"] {
        s.well("PUT", &format!("/mode/{subject}"), Some(json!({"mode": "READONLY"}))).await;
    }
    assert_eq!(s.fails("DELETE", "/mode/:.eu:", None).await.0, 40401);
    assert_eq!(s.well("DELETE", "/mode/:.eu:?recursive=true", None).await, json!({"mode": "READWRITE"}));
    assert_eq!(s.fails("GET", "/mode/:.eu:a", None).await.0, 40409);
    assert_eq!(s.well("GET", "/mode/a", None).await["mode"], "READONLY");
    s.well("PUT", "/mode", Some(json!({"mode": "READONLY_OVERRIDE"}))).await;
    assert_eq!(s.well("DELETE", "/mode?recursive=true", None).await, json!({"mode": "READONLY_OVERRIDE"}));
    assert_eq!(s.fails("GET", "/mode/b", None).await.0, 40409);
    assert_eq!(s.well("GET", "/mode", None).await, json!({"mode": "READWRITE"}));
}

#[tokio::test]
async fn metadata_and_rules_are_carried() {
    let s = server();
    let mut body = record("R", json!("int"));
    body["metadata"] = json!({"tags": {"R.f": ["PII"]}, "properties": {"owner": "us"}, "sensitive": ["owner"]});
    body["ruleSet"] =
        json!({"domainRules": [{"name": "r", "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": "true"}]});
    s.well("POST", "/subjects/a/versions", Some(body.clone())).await;
    for path in ["/subjects/a/versions/1", "/schemas/ids/1", "/subjects/a/metadata?key=owner&value=us"] {
        let shown = s.well("GET", path, None).await;
        assert_eq!((&shown["metadata"], &shown["ruleSet"]), (&body["metadata"], &body["ruleSet"]), "{path}");
    }
    let listed = s.well("GET", "/schemas?subjectPrefix=a", None).await;
    assert_eq!((&listed[0]["metadata"], &listed[0]["ruleSet"]), (&body["metadata"], &body["ruleSet"]));
    // Other metadata make another version, of another id.
    body["metadata"]["properties"]["owner"] = json!("them");
    assert_eq!(s.well("POST", "/subjects/a/versions", Some(body)).await["version"], 2);
    // A spelling of Confluent's client for Python.
    s.well("DELETE", "/subjects/a/versions/1", None).await;
    assert_eq!(s.well("GET", "/subjects/a/versions?deleted=False&deleted_only=True", None).await, json!([1]));
}
