//! What is answered to what.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Log, Server};

fn avro(fields: &[&str]) -> Value {
    let fields: Vec<_> = fields.iter().map(|f| json!({"name": f, "type": ["null", "string"], "default": null})).collect();
    json!({"schema": json!({"type": "record", "name": "R", "fields": fields}).to_string()})
}

fn server() -> Server {
    Server::on(&Arc::new(Log::default()))
}

#[tokio::test]
async fn a_subject_through_its_life() {
    let s = server();
    assert_eq!(s.well("GET", "/subjects", None).await, json!([]));
    assert_eq!(s.fails("GET", "/subjects/a/versions", None).await, (40401, "Subject 'a' not found.".into()));
    assert_eq!(s.well("POST", "/subjects/a/versions", Some(avro(&["x"]))).await["id"], 1);
    assert_eq!(s.well("POST", "/subjects/a/versions", Some(avro(&["x", "y"]))).await["id"], 2);
    // The same again, and the same elsewhere.
    assert_eq!(s.well("POST", "/subjects/a/versions", Some(avro(&["x"]))).await["id"], 1);
    assert_eq!(s.well("POST", "/subjects/b/versions", Some(avro(&["x", "y"]))).await["id"], 2);
    assert_eq!(s.well("GET", "/subjects/a/versions", None).await, json!([1, 2]));
    assert_eq!(s.well("GET", "/subjects", None).await, json!(["a", "b"]));
    let latest = s.well("GET", "/subjects/a/versions/latest", None).await;
    assert_eq!((&latest["version"], &latest["id"], &latest["subject"]), (&json!(2), &json!(2), &json!("a")));
    assert!(latest.get("schemaType").is_none() && latest.get("references").is_none() && latest.get("deleted").is_none());
    assert_eq!(s.well("GET", "/subjects/a/versions/-1", None).await, latest);
    assert_eq!(s.fails("GET", "/subjects/a/versions/9", None).await, (40402, "Version 9 not found.".into()));
    assert_eq!(s.fails("GET", "/subjects/a/versions/0", None).await.0, 42202);
    assert_eq!(s.fails("GET", "/subjects/a/versions/first", None).await.0, 42202);
    assert_eq!(s.fails("GET", "/subjects/c/versions/1", None).await.0, 40401);
    assert_eq!(s.well("GET", "/schemas/ids/2", None).await["schema"], latest["schema"]);
    assert_eq!(s.well("GET", "/schemas/ids/1?fetchMaxId=true", None).await["maxId"], 2);
    assert_eq!(s.fails("GET", "/schemas/ids/9", None).await, (40403, "Schema 9 not found".into()));
    assert_eq!(s.well("GET", "/schemas/ids/2/subjects", None).await, json!(["a", "b"]));
    let versions = json!([{"subject": "a", "version": 2}, {"subject": "b", "version": 1}]);
    assert_eq!(s.well("GET", "/schemas/ids/2/versions", None).await, versions);
    assert_eq!(s.well("GET", "/schemas/ids/2/schema", None).await["name"], "R");
    assert_eq!(s.well("POST", "/subjects/a", Some(avro(&["x"]))).await["version"], 1);
    assert_eq!(s.fails("POST", "/subjects/a", Some(avro(&["z"]))).await, (40403, "Schema not found".into()));
    assert_eq!(s.fails("POST", "/subjects/c", Some(avro(&["z"]))).await.0, 40401);
    assert_eq!(s.well("GET", "/schemas/types", None).await, json!(["JSON", "PROTOBUF", "AVRO"]));
    assert_eq!(s.well("GET", "/schemas?latestOnly=true", None).await.as_array().map(Vec::len), Some(2));
    assert_eq!(s.well("GET", "/subjects?offset=1&limit=5", None).await, json!(["b"]));

    // Deleting one version, then all.
    let first = "/subjects/a/versions/1";
    assert_eq!(s.fails("DELETE", &format!("{first}?permanent=true"), None).await.0, 40407);
    assert_eq!(s.well("DELETE", first, None).await, 1);
    assert_eq!(s.fails("DELETE", first, None).await.0, 40406);
    assert_eq!(s.fails("GET", first, None).await.0, 40402);
    assert_eq!(s.well("GET", &format!("{first}?deleted=true"), None).await["deleted"], true);
    assert_eq!(s.fails("POST", "/subjects/a", Some(avro(&["x"]))).await.0, 40403);
    assert_eq!(s.well("POST", "/subjects/a?deleted=true", Some(avro(&["x"]))).await["version"], 1);
    assert_eq!(s.well("GET", "/subjects/a/versions", None).await, json!([2]));
    assert_eq!(s.well("GET", "/subjects/a/versions?deleted=true", None).await, json!([1, 2]));
    assert_eq!(s.well("GET", "/subjects/a/versions?deletedOnly=true", None).await, json!([1]));
    assert_eq!(s.well("GET", "/subjects/a/versions?deletedAsNegative=true", None).await, json!([-1, 2]));
    // Registered again it has its id, and the next version.
    let again = s.well("POST", "/subjects/a/versions", Some(avro(&["x"]))).await;
    assert_eq!((&again["id"], &again["version"]), (&json!(1), &json!(3)));
    assert_eq!(s.fails("DELETE", "/subjects/a?permanent=true", None).await.0, 40405);
    assert_eq!(s.well("DELETE", "/subjects/a", None).await, json!([2, 3]));
    let gone = (40404, "Subject 'a' was soft deleted.Set permanent=true to delete permanently".to_owned());
    assert_eq!(s.fails("DELETE", "/subjects/a", None).await, gone);
    assert_eq!(s.well("GET", "/subjects?deletedOnly=true", None).await, json!(["a"]));
    assert_eq!(s.well("GET", "/schemas/ids/1", None).await["schema"], avro(&["x"])["schema"]);
    assert_eq!(s.well("DELETE", "/subjects/a?permanent=true", None).await, json!([1, 2, 3]));
    assert_eq!(s.fails("DELETE", "/subjects/a", None).await.0, 40401);
    assert_eq!(s.fails("GET", "/schemas/ids/1", None).await.0, 40403);
    // An id is never given out again.
    assert_eq!(s.well("POST", "/subjects/a/versions", Some(avro(&["w"]))).await["id"], 3);
}

#[tokio::test]
async fn settings() {
    let s = server();
    assert_eq!(s.well("GET", "/config", None).await, json!({"compatibilityLevel": "BACKWARD"}));
    let missing = "Subject 'a' does not have subject-level compatibility configured".to_owned();
    assert_eq!(s.fails("GET", "/config/a", None).await, (40408, missing));
    assert_eq!(s.well("GET", "/config/a?defaultToGlobal=true", None).await["compatibilityLevel"], "BACKWARD");
    let full = json!({"compatibility": "full"});
    assert_eq!(s.well("PUT", "/config/a", Some(full)).await, json!({"compatibility": "FULL"}));
    let more = json!({"normalize": true, "alias": "b", "unknown": 1});
    assert_eq!(s.well("PUT", "/config/a", Some(more)).await, json!({"normalize": true, "alias": "b"}));
    let both = json!({"alias": "b", "normalize": true, "compatibilityLevel": "FULL"});
    assert_eq!(s.well("GET", "/config/a", None).await, both);
    assert_eq!(s.fails("PUT", "/config", Some(json!({"compatibility": "SOME"}))).await.0, 42203);
    assert_eq!(s.fails("PUT", "/config", Some(json!({"normalize": "maybe"}))).await.0, 422);
    assert_eq!(s.well("PUT", "/config", Some(json!({"compatibility": "NONE"}))).await, json!({"compatibility": "NONE"}));
    assert_eq!(s.well("GET", "/config", None).await, json!({"compatibilityLevel": "NONE"}));
    assert_eq!(s.well("DELETE", "/config/a", None).await, both);
    assert_eq!(s.fails("DELETE", "/config/a", None).await.0, 40401);
    assert_eq!(s.well("DELETE", "/config", None).await, json!({"compatibilityLevel": "NONE"}));
    assert_eq!(s.well("GET", "/config", None).await, json!({"compatibilityLevel": "BACKWARD"}));

    // An alias is the other subject wherever it is asked for.
    s.well("POST", "/subjects/b/versions", Some(avro(&["x"]))).await;
    s.well("PUT", "/config/a", Some(json!({"alias": "b"}))).await;
    assert_eq!(s.well("GET", "/subjects/a/versions/latest", None).await["subject"], "b");
}

#[tokio::test]
async fn modes() {
    let s = server();
    assert_eq!(s.well("GET", "/mode", None).await, json!({"mode": "READWRITE"}));
    assert_eq!(s.fails("GET", "/mode/a", None).await.0, 40409);
    assert_eq!(s.fails("PUT", "/mode", Some(json!({"mode": "SOME"}))).await.0, 42204);
    let placed = |id: i32, version: i32, field: &str| {
        let mut body = avro(&[field]);
        (body["id"], body["version"]) = (id.into(), version.into());
        Some(body)
    };
    let (code, message) = s.fails("POST", "/subjects/a/versions", placed(7, 3, "x")).await;
    assert_eq!((code, message.as_str()), (42205, "Subject a in context . is not in import mode"));
    assert_eq!(s.well("PUT", "/mode/a", Some(json!({"mode": "IMPORT"}))).await, json!({"mode": "IMPORT"}));
    assert_eq!(s.fails("POST", "/subjects/a/versions", Some(avro(&["x"]))).await.0, 42205);
    assert_eq!(s.well("POST", "/subjects/a/versions", placed(7, 3, "x")).await["id"], 7);
    assert_eq!(s.well("POST", "/subjects/a/versions", placed(7, 3, "x")).await["version"], 3);
    assert_eq!(s.fails("POST", "/subjects/a/versions", placed(7, 4, "y")).await.0, 42207);
    assert_eq!(s.fails("POST", "/subjects/a/versions", placed(8, 3, "y")).await.0, 42205);
    assert_eq!(s.well("GET", "/subjects/a/versions", None).await, json!([3]));
    assert_eq!(s.well("DELETE", "/mode/a", None).await, json!({"mode": "IMPORT"}));
    assert_eq!(s.fails("PUT", "/mode/a", Some(json!({"mode": "IMPORT"}))).await.0, 42205);
    assert_eq!(s.well("PUT", "/mode/a?force=true", Some(json!({"mode": "IMPORT"}))).await["mode"], "IMPORT");
    // Other subjects go on behind the highest id.
    assert_eq!(s.well("POST", "/subjects/b/versions", Some(avro(&["y"]))).await["id"], 8);
    s.well("PUT", "/mode/b", Some(json!({"mode": "READONLY"}))).await;
    for (method, path, body) in [
        ("POST", "/subjects/b/versions", Some(avro(&["z"]))),
        ("DELETE", "/subjects/b", None),
        ("PUT", "/config/b", Some(json!({}))),
    ] {
        let (code, message) = s.fails(method, path, body).await;
        assert_eq!((code, message.as_str()), (42205, "Subject b in context . is in read-only mode"), "{path}");
    }
    // The override goes before what subjects have.
    s.well("PUT", "/mode/b", Some(json!({"mode": "READWRITE"}))).await;
    s.well("PUT", "/mode", Some(json!({"mode": "READONLY_OVERRIDE"}))).await;
    assert_eq!(s.fails("POST", "/subjects/b/versions", Some(avro(&["z"]))).await.0, 42205);
    s.well("DELETE", "/mode", None).await;
    assert_eq!(s.well("POST", "/subjects/b/versions", Some(avro(&["y", "z"]))).await["id"], 9);
}

#[tokio::test]
async fn references_hold_what_they_refer_to() {
    let s = server();
    s.well("POST", "/subjects/a/versions", Some(avro(&["x"]))).await;
    let refers = |version: i32| {
        let schema = json!({"type": "record", "name": "S", "fields": [{"name": "r", "type": "R"}]}).to_string();
        Some(json!({"schema": schema, "references": [{"name": "R", "subject": "a", "version": version}]}))
    };
    let (code, message) = s.fails("POST", "/subjects/s/versions", refers(2)).await;
    assert!(code == 42201 && message.contains("subject \"a\" and version 2"), "{message}");
    assert_eq!(s.well("POST", "/subjects/s/versions", refers(-1)).await["id"], 2);
    // By the number that it meant.
    assert_eq!(s.well("POST", "/subjects/s/versions", refers(1)).await["id"], 2);
    let references = json!([{"name": "R", "subject": "a", "version": 1}]);
    assert_eq!(s.well("GET", "/schemas/ids/2", None).await["references"], references);
    assert_eq!(s.well("GET", "/subjects/a/versions/1/referencedby", None).await, json!([2]));
    let held = (42206, "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=a,version=1}.".to_owned());
    assert_eq!(s.fails("DELETE", "/subjects/a", None).await, held);
    assert_eq!(s.fails("DELETE", "/subjects/a/versions/1", None).await, held);
    s.well("DELETE", "/subjects/s", None).await;
    s.well("DELETE", "/subjects/a", None).await;
    assert_eq!(s.fails("DELETE", "/subjects/a?permanent=true", None).await, held);
    s.well("DELETE", "/subjects/s?permanent=true", None).await;
    s.well("DELETE", "/subjects/a?permanent=true", None).await;
}

#[tokio::test]
async fn contexts_have_ids_of_their_own() {
    let s = server();
    assert_eq!(s.well("GET", "/contexts", None).await, json!(["."]));
    s.well("POST", "/subjects/a/versions", Some(avro(&["x"]))).await;
    let eu = "/subjects/:.eu:a/versions";
    assert_eq!(s.well("POST", eu, Some(avro(&["y"]))).await["id"], 1);
    assert_eq!(s.well("POST", "/contexts/.eu/subjects/a/versions", Some(avro(&["y", "z"]))).await["id"], 2);
    assert_eq!(s.well("GET", "/contexts", None).await, json!([".", ".eu"]));
    assert_eq!(s.well("GET", "/subjects", None).await, json!(["a", ":.eu:a"]));
    assert_eq!(s.well("GET", "/contexts/.eu/subjects", None).await, json!([":.eu:a"]));
    assert_eq!(s.well("GET", "/schemas/ids/1", None).await["schema"], avro(&["x"])["schema"]);
    for path in ["/schemas/ids/1?subject=:.eu:a", "/contexts/.eu/schemas/ids/1"] {
        assert_eq!(s.well("GET", path, None).await["schema"], avro(&["y"])["schema"]);
    }
    s.well("PUT", "/contexts/.eu/config", Some(json!({"compatibility": "FULL"}))).await;
    assert_eq!(s.well("GET", "/config/:.eu:a?defaultToGlobal=true", None).await["compatibilityLevel"], "FULL");
    assert_eq!(s.well("GET", "/config", None).await["compatibilityLevel"], "BACKWARD");
    assert_eq!(s.fails("DELETE", "/contexts/.eu", None).await.0, 42211);
    s.well("DELETE", "/subjects/:.eu:a", None).await;
    s.well("DELETE", "/subjects/:.eu:a?permanent=true", None).await;
    s.well("DELETE", "/contexts/.eu", None).await;
    assert_eq!(s.well("GET", "/contexts", None).await, json!(["."]));
}

#[tokio::test]
async fn what_is_no_request_of_the_api() {
    let s = server();
    assert_eq!(s.fails("GET", "/nothing", None).await, (404, "HTTP 404 Not Found".into()));
    assert_eq!(s.fails("PUT", "/subjects", None).await.0, 405);
    assert_eq!(s.fails("POST", "/subjects/a/versions", Some(json!([]))).await.0, 400);
    assert_eq!(s.fails("POST", "/subjects/a/versions", Some(json!({}))).await.0, 42201);
    let other = json!({"schema": "{}", "schemaType": "XML"});
    assert_eq!(s.fails("POST", "/subjects/a/versions", Some(other)).await.0, 42201);
    assert_eq!(s.fails("POST", "/subjects/a%01b/versions", Some(avro(&["x"]))).await.0, 42208);
    assert_eq!(s.well("GET", "/", None).await, json!({}));
    assert_eq!(s.well("GET", "/v1/metadata/id", None).await["scope"]["clusters"]["kafka-cluster"], "c");
    // Names of any kind.
    s.well("POST", "/subjects/a%2Fb%20%C3%A9/versions", Some(avro(&["x"]))).await;
    assert_eq!(s.well("GET", "/subjects", None).await, json!(["a/b é"]));
}
