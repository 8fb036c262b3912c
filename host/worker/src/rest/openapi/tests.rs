use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

use super::super::{Rest, Stage, admin, resources, serve};
use crate::loggers::Loggers;

fn document() -> Value {
    serde_json::to_value(super::document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let path = path.clone();
        let methods = item.as_object().unwrap().clone().into_iter().filter(|(m, _)| m != "parameters");
        methods.map(move |(m, o)| (m.to_uppercase(), path.clone(), o)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// Asks a worker that is stopping: what has a route is 503 or answers, what has none is 404 or 405.
async fn status(method: &str, path: &str) -> StatusCode {
    let (_, stage) = watch::channel(Stage::Stopping);
    let loggers = Arc::new(Loggers::new("info", |_| {}));
    let rest = Rest { stage, loggers, url: Arc::from("http://127.0.0.1:8083") };
    let path = path.replace("{task}", "0").replace("{logger}", "root").replace('{', "").replace('}', "");
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    serve(resources().merge(admin()), rest).oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn every_path_has_the_methods_that_the_document_names_and_no_other() {
    let mut paths: HashMap<String, BTreeSet<String>> = HashMap::new();
    for (method, path, _) in operations(&document()) {
        paths.entry(path).or_default().insert(method);
    }
    assert!(paths.len() >= 18, "{paths:?}");
    for (path, methods) in paths {
        for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            let status = status(method.as_str(), &path).await;
            let routed = status != StatusCode::METHOD_NOT_ALLOWED && status != StatusCode::NOT_FOUND;
            assert_eq!(routed, methods.contains(method.as_str()), "{method} {path}: {status}");
        }
    }
}

#[test]
fn routes_are_registered_with_their_descriptions_alone() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rest");
    for file in std::fs::read_dir(sources).unwrap().map(|f| f.unwrap().path()).filter(|f| f.is_file()) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(".route("), "{}: use .routes(routes!(handler)), which takes the description too", file.display());
    }
}

#[test]
fn every_operation_is_described() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let text = |v: &Value| v.as_str().is_some_and(|s| !s.is_empty());
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}: its operation_id is another's too");
        assert!(text(&operation["summary"]), "{at}: has no summary");
        assert!(operation["tags"].as_array().is_some_and(|t| t.len() == 1), "{at}: has no tag");
        let given: BTreeSet<_> = path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let named: BTreeSet<_> = parameters.iter().filter(|p| p["in"] == "path").filter_map(|p| p["name"].as_str()).collect();
        assert_eq!(given, named, "{at}: its parameters");
        assert!(parameters.iter().all(|p| text(&p["description"])), "{at}: a parameter has no description");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|s| s.starts_with('2')), "{at}: has no answer");
        assert!(responses.values().all(|r| text(&r["description"])), "{at}: an answer has no description");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                out.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|v| references(v, out));
            }
            Value::Array(all) => all.iter().for_each(|v| references(v, out)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn every_parameter_has_a_schema() {
    for (method, path, operation) in operations(&document()) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"].is_object(), "{method} {path}: {parameter}");
        }
    }
}
