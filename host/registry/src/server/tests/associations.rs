//! Which subjects resources have.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Log, Server};

fn request(id: &str, subject: &str, more: Value) -> Option<Value> {
    let mut one = json!({"subject": subject, "associationType": "value"});
    if let (Some(one), Value::Object(more)) = (one.as_object_mut(), more) {
        one.extend(more);
    }
    Some(
        json!({"resourceName": id, "resourceNamespace": "lkc-1", "resourceId": id, "resourceType": "topic", "associations": [one]}),
    )
}

#[tokio::test]
async fn a_topic_has_a_subject() {
    let log = Arc::new(Log::default());
    let s = Server::on(&log);
    assert_eq!(s.well("GET", "/associations/resources/-/orders", None).await, json!([]));
    let schema = json!({"schema": "\"string\""});
    let made = s.well("POST", "/associations", request("orders", "all-orders", json!({"schema": schema}))).await;
    let one =
        json!({"subject": "all-orders", "associationType": "value", "lifecycle": "WEAK", "frozen": false, "schema": schema});
    assert_eq!((&made["resourceId"], &made["associations"]), (&json!("orders"), &json!([one])));
    // The schema came with it.
    assert_eq!(s.well("GET", "/subjects", None).await, json!(["all-orders"]));
    let found = s.well("GET", "/associations/resources/-/orders?resourceType=topic&associationType=value", None).await;
    let found = &found[0];
    assert_eq!(
        (&found["subject"], &found["resourceNamespace"], &found["lifecycle"]),
        (&json!("all-orders"), &json!("lkc-1"), &json!("WEAK"))
    );
    for path in [
        "/associations/resources/lkc-1/orders",
        "/associations/resources/orders",
        "/associations/subjects/all-orders?lifecycle=weak",
    ] {
        assert_eq!(s.well("GET", path, None).await, json!([found]), "{path}");
    }
    for path in [
        "/associations/resources/lkc-2/orders",
        "/associations/resources/-/orders?associationType=key",
        "/associations/resources/orders?resourceType=other",
        "/associations/subjects/all-orders?lifecycle=STRONG",
        "/associations/resources/orders?offset=1",
    ] {
        assert_eq!(s.well("GET", path, None).await, json!([]), "{path}");
    }
    // Another registry on the log knows it.
    assert_eq!(Server::on(&log).well("GET", "/associations/resources/orders", None).await, json!([found]));

    // The same again is the same; another one is only taken as a change.
    s.well("POST", "/associations", request("orders", "all-orders", json!({}))).await;
    assert_eq!(s.fails("POST", "/associations", request("orders", "others", json!({}))).await.0, 409);
    let frozen = request("orders", "others", json!({"frozen": true}));
    s.well("PUT", "/associations?dryRun=true", frozen.clone()).await;
    assert_eq!(s.well("GET", "/associations/resources/orders", None).await, json!([found]));
    s.well("PUT", "/associations/resources/orders", frozen).await;
    assert_eq!(s.well("GET", "/associations/resources/orders", None).await[0]["subject"], "others");
    let (code, message) = s.fails("PUT", "/associations", request("orders", "all-orders", json!({}))).await;
    assert!(code == 409 && message.contains("is frozen"), "{message}");

    s.well("DELETE", "/associations/resources/orders?associationType=key", None).await;
    assert_eq!(s.well("GET", "/associations/resources/orders", None).await.as_array().map(Vec::len), Some(1));
    s.well("DELETE", "/associations/resources/orders?cascadeLifecycle=true", None).await;
    assert_eq!(s.well("GET", "/associations/resources/orders", None).await, json!([]));
    // What lives by itself stays.
    assert_eq!(s.well("GET", "/subjects", None).await, json!(["all-orders"]));
}

#[tokio::test]
async fn a_subject_that_lives_with_its_topic() {
    let s = Server::on(&Arc::new(Log::default()));
    let strong = json!({"lifecycle": "STRONG", "schema": {"schema": "\"int\""}});
    s.well("POST", "/associations", request("orders", "orders-value", strong)).await;
    let (code, message) = s.fails("POST", "/associations", request("copies", "orders-value", json!({}))).await;
    assert!(code == 409 && message.contains("STRONG"), "{message}");
    s.well("DELETE", "/associations/resources/orders?dryRun=true&cascadeLifecycle=true", None).await;
    assert_eq!(s.well("GET", "/subjects", None).await, json!(["orders-value"]));
    s.well("DELETE", "/associations/resources/orders?cascadeLifecycle=true", None).await;
    assert_eq!(s.well("GET", "/subjects", None).await, json!([]));
    assert_eq!(s.well("GET", "/subjects?deleted=true", None).await, json!(["orders-value"]));
}

#[tokio::test]
async fn what_is_no_association() {
    let s = Server::on(&Arc::new(Log::default()));
    let wrong = |body: Value| s.fails("POST", "/associations", Some(body));
    assert_eq!(wrong(json!({})).await, (422, "Invalid association: \"resourceId\" must be given".into()));
    assert_eq!(wrong(json!({"resourceId": "a"})).await, (422, "Invalid association: \"associations\" must be given".into()));
    assert_eq!(wrong(json!({"resourceId": "a", "associations": [{}]})).await.0, 422);
    assert_eq!(s.fails("POST", "/associations", request("a", "s", json!({"lifecycle": "SOME"}))).await.0, 422);
    let (code, _) = s.fails("POST", "/associations", request("a", "s", json!({"schema": {"schema": "no"}}))).await;
    assert_eq!(code, 42201);
    assert_eq!(s.well("GET", "/associations/resources/a", None).await, json!([]));
    s.well("PUT", "/mode/s", Some(json!({"mode": "READONLY"}))).await;
    assert_eq!(s.fails("POST", "/associations", request("a", "s", json!({}))).await.0, 42205);
    s.well("DELETE", "/associations/resources/nothing", None).await;
}
