//! `/connectors` and below.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use millrace_record::{PluginKind, RawConfig};
use serde_json::{Map, Value, json};

use super::body::{self, CreateRequest, JsonObject};
use super::{Answer, App, Rest, RestError, empty, json as answer};
use crate::herder::{ConnectorInfo, Herder, Restart};
use crate::storage::configs::TargetState;
use crate::storage::status::Status;
use crate::task::TaskId;

type Params = Query<Vec<(String, String)>>;

fn kind(kind: Option<PluginKind>) -> &'static str {
    match kind {
        Some(PluginKind::Source) => "source",
        Some(PluginKind::Sink) => "sink",
        _ => "unknown",
    }
}

fn info_json(info: &ConnectorInfo) -> Value {
    let tasks: Vec<_> = (0..info.tasks).map(|t| json!({"connector": info.name, "task": t})).collect();
    json!({"name": info.name, "config": info.config, "tasks": tasks, "type": kind(info.kind)})
}

/// `state`, `worker_id`, and where there is one `trace` and `version`.
fn state_json(id: Option<u32>, status: &Status) -> Value {
    let mut map = Map::new();
    if let Some(id) = id {
        map.insert("id".into(), id.into());
    }
    map.insert("state".into(), status.state.clone().into());
    map.insert("worker_id".into(), status.worker_id.clone().into());
    if let Some(version) = &status.version {
        map.insert("version".into(), version.clone().into());
    }
    if let Some(trace) = status.trace.as_ref().filter(|t| !t.is_empty()) {
        map.insert("trace".into(), trace.clone().into());
    }
    Value::Object(map)
}

fn status_json(herder: &Herder, name: &str) -> Option<Value> {
    let connector = herder.statuses.connector(name)?;
    let tasks: Vec<_> = herder.statuses.tasks(name).iter().map(|(id, s)| state_json(Some(*id), s)).collect();
    let kind = kind(herder.info(name).and_then(|i| i.kind));
    Some(json!({"name": name, "connector": state_json(None, &connector), "tasks": tasks, "type": kind}))
}

pub async fn list(State(rest): App, Query(params): Params) -> Answer {
    let herder = rest.herder().await?;
    let names = herder.configs.names();
    let expands: Vec<_> = params.iter().filter(|(k, _)| k == "expand").map(|(_, v)| v.as_str()).collect();
    if expands.is_empty() {
        return Ok(answer(StatusCode::OK, &Value::from(names)));
    }
    let mut all = Map::new();
    for name in names {
        let mut one = Map::new();
        for expand in &expands {
            let value = match *expand {
                "status" => status_json(&herder, &name),
                "info" => herder.info(&name).as_ref().map(info_json),
                _ => None,
            };
            one.extend(value.map(|v| (expand.to_string(), v)));
        }
        all.insert(name, Value::Object(one));
    }
    Ok(answer(StatusCode::OK, &Value::Object(all)))
}

/// The configuration's own name must be the one in the request.
fn with_name(name: &str, mut config: RawConfig) -> Result<RawConfig, RestError> {
    match config.get("name") {
        Some(own) if own != name => Err(RestError::new(
            StatusCode::BAD_REQUEST,
            format!("Connector name configuration ({own}) doesn't match connector name in the URL ({name})"),
        )),
        Some(_) => Ok(config),
        None => {
            config.insert("name".into(), name.to_owned());
            Ok(config)
        }
    }
}

fn created(rest: &Rest, info: &ConnectorInfo) -> Response {
    let mut response = answer(StatusCode::CREATED, &info_json(info));
    if let Ok(location) = HeaderValue::from_str(&format!("{}/connectors/{}", rest.url, encoded(&info.name))) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A name as one segment of a path.
fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

pub async fn create(State(rest): App, body: JsonObject) -> Answer {
    let request = CreateRequest::parse(body)?;
    let herder = rest.herder().await?;
    let config = with_name(&request.name, request.config)?;
    let info = herder.create(&request.name, config, request.initial_state).await?;
    Ok(created(&rest, &info))
}

pub async fn get(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    let info = herder.info(&name).ok_or_else(|| missing(&name))?;
    Ok(answer(StatusCode::OK, &info_json(&info)))
}

fn missing(name: &str) -> RestError {
    RestError::not_found(format!("Connector {name} not found"))
}

pub async fn config(State(rest): App, Path(name): Path<String>) -> Answer {
    let state = rest.herder().await?.state(&name)?;
    Ok(answer(StatusCode::OK, &json!(state.config)))
}

pub async fn put_config(State(rest): App, Path(name): Path<String>, JsonObject(map): JsonObject) -> Answer {
    let config = with_name(&name, body::config(map)?)?;
    let (is_new, info) = rest.herder().await?.put(&name, config).await?;
    Ok(if is_new { created(&rest, &info) } else { answer(StatusCode::OK, &info_json(&info)) })
}

pub async fn delete(State(rest): App, Path(name): Path<String>) -> Answer {
    rest.herder().await?.delete(&name).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub async fn status(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    let status = status_json(&herder, &name).filter(|_| herder.configs.contains(&name));
    let status = status.ok_or_else(|| RestError::not_found(format!("No status found for connector {name}")))?;
    Ok(answer(StatusCode::OK, &status))
}

pub async fn tasks(State(rest): App, Path(name): Path<String>) -> Answer {
    let state = rest.herder().await?.state(&name)?;
    let tasks = state.tasks.iter().enumerate();
    let tasks: Vec<_> = tasks.map(|(i, config)| json!({"id": {"connector": name, "task": i}, "config": config})).collect();
    Ok(answer(StatusCode::OK, &Value::from(tasks)))
}

/// A task's number in a path; anything else is no resource.
fn task_id(connector: String, task: &str) -> Result<TaskId, RestError> {
    let task = task.parse().map_err(|_| RestError::new(StatusCode::NOT_FOUND, "HTTP 404 Not Found"))?;
    Ok(TaskId { connector, task })
}

pub async fn task_status(State(rest): App, Path((name, task)): Path<(String, String)>) -> Answer {
    let herder = rest.herder().await?;
    let id = task_id(name, &task)?;
    let status = herder.statuses.task(&id).ok_or_else(|| RestError::not_found(format!("No status found for task {id}")))?;
    Ok(answer(StatusCode::OK, &state_json(Some(id.task), &status)))
}

pub async fn restart(State(rest): App, Path(name): Path<String>, Query(params): Params) -> Answer {
    let flag = |key: &str| params.iter().any(|(k, v)| k == key && v.eq_ignore_ascii_case("true"));
    let how = Restart { include_tasks: flag("includeTasks"), only_failed: flag("onlyFailed") };
    let herder = rest.herder().await?;
    herder.restart(&name, how)?;
    if how.plain() {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let status =
        status_json(&herder, &name).ok_or_else(|| RestError::not_found(format!("Status for connector {name} not found")))?;
    Ok(answer(StatusCode::ACCEPTED, &status))
}

pub async fn restart_task(State(rest): App, Path((name, task)): Path<(String, String)>) -> Answer {
    let herder = rest.herder().await?;
    herder.restart_task(&task_id(name, &task)?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn target(rest: &Rest, name: &str, target: TargetState, status: StatusCode) -> Answer {
    let herder: Arc<Herder> = rest.herder().await?;
    herder.target(name, target).await?;
    Ok(empty(status))
}

pub async fn pause(State(rest): App, Path(name): Path<String>) -> Answer {
    target(&rest, &name, TargetState::Paused, StatusCode::ACCEPTED).await
}

pub async fn resume(State(rest): App, Path(name): Path<String>) -> Answer {
    target(&rest, &name, TargetState::Started, StatusCode::ACCEPTED).await
}

pub async fn stop(State(rest): App, Path(name): Path<String>) -> Answer {
    target(&rest, &name, TargetState::Stopped, StatusCode::NO_CONTENT).await
}

pub async fn offsets(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    let state = herder.state(&name)?;
    let offsets = herder.offsets_of(&name, &state.config).await?;
    let offsets: Vec<_> = offsets.into_iter().map(|o| json!({"partition": o.partition, "offset": o.offset})).collect();
    Ok(answer(StatusCode::OK, &json!({"offsets": offsets})))
}

pub async fn topics(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    if !herder.worker.topic_tracking {
        return Err(RestError::new(StatusCode::FORBIDDEN, "Topic tracking is disabled."));
    }
    Ok(answer(StatusCode::OK, &json!({name.as_str(): {"topics": herder.statuses.topics(&name)}})))
}
