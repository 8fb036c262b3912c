//! `/connectors` and below.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use millrace_record::{PluginKind, RawConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::body::{self, CreateRequest, JsonObject};
use super::openapi::schemas::{self, ErrorMessage};
use super::{Answer, App, Rest, RestError, empty, json as answer};
use crate::herder::{ConnectorInfo, Herder, Restart};
use crate::secrets;
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

/// A task's state, and beside Connect's fields how it is doing.
fn task_json(herder: &Herder, id: &TaskId, status: &Status) -> Value {
    let mut task = state_json(Some(id.task), status);
    if let Some(health) = herder.health(id, status) {
        let since = health.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let mut of = json!({"state": health.condition.name(), "since": since});
        if let Some(cause) = &health.cause {
            of["cause"] = secrets::hide(cause).into();
        }
        task["health"] = of;
    }
    task
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
    let of = |(task, status): &(u32, Status)| task_json(herder, &TaskId { connector: name.to_owned(), task: *task }, status);
    let tasks: Vec<_> = herder.statuses.tasks(name).iter().map(of).collect();
    let kind = kind(herder.info(name).and_then(|i| i.kind));
    Some(json!({"name": name, "connector": state_json(None, &connector), "tasks": tasks, "type": kind}))
}

/// The connectors
///
/// With `expand`, each with what is asked for. A value of `expand` that is neither is left out.
#[utoipa::path(get, path = "/connectors", operation_id = "listConnectors", tag = "connectors",
    params(("expand" = Option<Vec<String>>, Query, description = "`status`, `info`, or both by giving it twice", example = json!(["status"]))),
    responses(
        (status = 200, description = "Names, or a map by name", body = schemas::Connectors),
    ))]
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
    if let Ok(location) = HeaderValue::from_str(&format!("{}/connectors/{}", rest.url, utf8_percent_encode(&info.name, SEGMENT)))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What a segment of a path may hold as it is; a slash would end it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Make a connector
#[utoipa::path(post, path = "/connectors", operation_id = "createConnector", tag = "connectors",
    request_body = schemas::CreateConnectorRequest,
    responses(
        (status = 201, description = "It is made", body = schemas::ConnectorInfo, headers(("Location" = String, description = "The connector's URL"))),
        (status = 400, description = "The configuration is wrong; the message names every setting", body = ErrorMessage),
        (status = 409, description = "There is a connector of that name", body = ErrorMessage),
    ))]
pub async fn create(State(rest): App, body: JsonObject) -> Answer {
    let request = CreateRequest::parse(body)?;
    let herder = rest.herder().await?;
    let config = with_name(&request.name, request.config)?;
    let info = herder.create(&request.name, config, request.initial_state).await?;
    Ok(created(&rest, &info))
}

/// A connector
#[utoipa::path(get, path = "/connectors/{connector}", operation_id = "getConnector", tag = "connectors",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "The connector", body = schemas::ConnectorInfo),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn get(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    let info = herder.info(&name).ok_or_else(|| missing(&name))?;
    Ok(answer(StatusCode::OK, &info_json(&info)))
}

fn missing(name: &str) -> RestError {
    RestError::not_found(format!("Connector {name} not found"))
}

/// A connector's settings
///
/// As they were given: references to config providers are not resolved.
#[utoipa::path(get, path = "/connectors/{connector}/config", operation_id = "getConnectorConfig", tag = "connectors",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "The settings", body = schemas::ConnectorConfig),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn config(State(rest): App, Path(name): Path<String>) -> Answer {
    let state = rest.herder().await?.state(&name)?;
    Ok(answer(StatusCode::OK, &json!(state.config)))
}

const SETTINGS: &str = "the connector's settings";

/// Make a connector, or give it other settings
///
/// The settings replace all that it had.
#[utoipa::path(put, path = "/connectors/{connector}/config", operation_id = "putConnectorConfig", tag = "connectors",
    params(("connector", description = "The connector's name")),
    request_body = schemas::GivenConfig,
    responses(
        (status = 200, description = "It has these settings", body = schemas::ConnectorInfo),
        (status = 201, description = "It is made", body = schemas::ConnectorInfo, headers(("Location" = String, description = "The connector's URL"))),
        (status = 400, description = "The configuration is wrong; the message names every setting", body = ErrorMessage),
    ))]
pub async fn put_config(State(rest): App, Path(name): Path<String>, body: JsonObject) -> Answer {
    let config = with_name(&name, body::config(body.required(SETTINGS)?)?)?;
    let (is_new, info) = rest.herder().await?.put(&name, config).await?;
    Ok(if is_new { created(&rest, &info) } else { answer(StatusCode::OK, &info_json(&info)) })
}

/// Change some settings of a connector
///
/// Those that are given are set, those that are null are taken away, the others stay.
#[utoipa::path(patch, path = "/connectors/{connector}/config", operation_id = "patchConnectorConfig", tag = "connectors",
    params(("connector", description = "The connector's name")),
    request_body = schemas::GivenConfig,
    responses(
        (status = 200, description = "It has these settings now", body = schemas::ConnectorInfo),
        (status = 400, description = "The configuration is wrong; the message names every setting", body = ErrorMessage),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn patch_config(State(rest): App, Path(name): Path<String>, body: JsonObject) -> Answer {
    let herder = rest.herder().await?;
    // Who asks for an unknown connector hears that first, as in Connect.
    herder.state(&name)?;
    let patch = body::settings(body.required(SETTINGS)?)?;
    let info = herder.patch(&name, patch).await?;
    Ok(answer(StatusCode::OK, &info_json(&info)))
}

/// Delete a connector
///
/// Its tasks stop. Its offsets stay: a connector of the same name goes on from them.
#[utoipa::path(delete, path = "/connectors/{connector}", operation_id = "deleteConnector", tag = "connectors",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn delete(State(rest): App, Path(name): Path<String>) -> Answer {
    rest.herder().await?.delete(&name).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// How a connector and its tasks are
#[utoipa::path(get, path = "/connectors/{connector}/status", operation_id = "getConnectorStatus", tag = "connectors",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "Their states", body = schemas::ConnectorStateInfo),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn status(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    let status = status_json(&herder, &name).filter(|_| herder.configs.contains(&name));
    let status = status.ok_or_else(|| RestError::not_found(format!("No status found for connector {name}")))?;
    Ok(answer(StatusCode::OK, &status))
}

/// A connector's tasks with their settings
#[utoipa::path(get, path = "/connectors/{connector}/tasks", operation_id = "getTasks", tag = "connectors",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "The tasks", body = Vec<schemas::TaskInfo>),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn tasks(State(rest): App, Path(name): Path<String>) -> Answer {
    let state = rest.herder().await?.state(&name)?;
    let tasks = state.tasks.iter().enumerate();
    let tasks: Vec<_> = tasks.map(|(i, config)| json!({"id": {"connector": name, "task": i}, "config": config})).collect();
    Ok(answer(StatusCode::OK, &Value::from(tasks)))
}

/// A task's number in a path; anything else is no resource. There is no task of a negative number.
fn task_id(connector: String, task: &str, missing: impl Fn(&str) -> String) -> Result<TaskId, RestError> {
    let number: i32 = task.parse().map_err(|_| RestError::new(StatusCode::NOT_FOUND, "HTTP 404 Not Found"))?;
    match u32::try_from(number) {
        Ok(task) => Ok(TaskId { connector, task }),
        Err(_) => Err(RestError::not_found(missing(&format!("{connector}-{number}")))),
    }
}

/// How a task is
#[utoipa::path(get, path = "/connectors/{connector}/tasks/{task}/status", operation_id = "getTaskStatus", tag = "connectors",
    params(("connector", description = "The connector's name"), ("task", description = "The task's number, from 0")),
    responses(
        (status = 200, description = "Its state", body = schemas::TaskState),
        (status = 404, description = "There is no such task", body = ErrorMessage),
    ))]
pub async fn task_status(State(rest): App, Path((name, task)): Path<(String, String)>) -> Answer {
    let herder = rest.herder().await?;
    let missing = |id: &str| format!("No status found for task {id}");
    let id = task_id(name, &task, missing)?;
    let status = herder.statuses.task(&id).ok_or_else(|| RestError::not_found(missing(&id.to_string())))?;
    Ok(answer(StatusCode::OK, &task_json(&herder, &id, &status)))
}

/// Restart a connector, and its tasks where asked
#[utoipa::path(post, path = "/connectors/{connector}/restart", operation_id = "restartConnector", tag = "life cycle",
    params(("connector", description = "The connector's name"), ("includeTasks" = Option<bool>, Query, description = "Its tasks too; false when it is absent"), ("onlyFailed" = Option<bool>, Query, description = "Only what has failed; false when it is absent")),
    responses(
        (status = 202, description = "The restart is under way; what restarts is RESTARTING", body = schemas::ConnectorStateInfo),
        (status = 204, description = "Without both parameters: the connector alone is restarted"),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn restart(State(rest): App, Path(name): Path<String>, Query(params): Params) -> Answer {
    let flag = |key: &str| params.iter().any(|(k, v)| k == key && v.eq_ignore_ascii_case("true"));
    let how = Restart { include_tasks: flag("includeTasks"), only_failed: flag("onlyFailed") };
    let herder = rest.herder().await?;
    let before = herder.statuses.tasks(&name);
    herder.restart(&name, how)?;
    if how.plain() {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let mut status =
        status_json(&herder, &name).ok_or_else(|| RestError::not_found(format!("Status for connector {name} not found")))?;
    // What is restarted still shows why it had failed, as in Connect.
    let tasks = status["tasks"].as_array_mut().into_iter().flatten().zip(before);
    for (task, (_, was)) in tasks.filter(|(task, (id, _))| task["id"] == *id && task["state"] == "RESTARTING") {
        if let Some(trace) = was.trace.filter(|t| !t.is_empty()) {
            task["trace"] = trace.into();
        }
    }
    Ok(answer(StatusCode::ACCEPTED, &status))
}

/// Restart a task
#[utoipa::path(post, path = "/connectors/{connector}/tasks/{task}/restart", operation_id = "restartTask", tag = "life cycle",
    params(("connector", description = "The connector's name"), ("task", description = "The task's number, from 0")),
    responses(
        (status = 204, description = "It is restarted"),
        (status = 404, description = "There is no such task", body = ErrorMessage),
    ))]
pub async fn restart_task(State(rest): App, Path((name, task)): Path<(String, String)>) -> Answer {
    let herder = rest.herder().await?;
    herder.restart_task(&task_id(name, &task, |id| format!("Unknown task: {id}"))?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn target(rest: &Rest, name: &str, target: TargetState, status: StatusCode) -> Answer {
    let herder: Arc<Herder> = rest.herder().await?;
    herder.target(name, target).await?;
    Ok(empty(status))
}

/// Pause a connector
///
/// Its tasks stay where they are and do nothing.
#[utoipa::path(put, path = "/connectors/{connector}/pause", operation_id = "pauseConnector", tag = "life cycle",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 202, description = "It is being paused"),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn pause(State(rest): App, Path(name): Path<String>) -> Answer {
    target(&rest, &name, TargetState::Paused, StatusCode::ACCEPTED).await
}

/// Resume a connector that is paused or stopped
#[utoipa::path(put, path = "/connectors/{connector}/resume", operation_id = "resumeConnector", tag = "life cycle",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 202, description = "It is being resumed"),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn resume(State(rest): App, Path(name): Path<String>) -> Answer {
    target(&rest, &name, TargetState::Started, StatusCode::ACCEPTED).await
}

/// Stop a connector
///
/// Its tasks are shut down; its settings and offsets stay.
#[utoipa::path(put, path = "/connectors/{connector}/stop", operation_id = "stopConnector", tag = "life cycle",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 204, description = "It is being stopped"),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn stop(State(rest): App, Path(name): Path<String>) -> Answer {
    target(&rest, &name, TargetState::Stopped, StatusCode::NO_CONTENT).await
}

/// The topics that a connector has used
///
/// An unknown connector has used none.
#[utoipa::path(get, path = "/connectors/{connector}/topics", operation_id = "getTopics", tag = "connectors",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "The topics", body = schemas::ActiveTopics),
        (status = 403, description = "`topic.tracking.enable` is false", body = ErrorMessage),
    ))]
pub async fn topics(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    if !herder.worker.topic_tracking {
        return Err(RestError::new(StatusCode::FORBIDDEN, "Topic tracking is disabled."));
    }
    Ok(answer(StatusCode::OK, &json!({name.as_str(): {"topics": herder.statuses.topics(&name)}})))
}

/// Forget which topics a connector has used
#[utoipa::path(put, path = "/connectors/{connector}/topics/reset", operation_id = "resetTopics", tag = "connectors",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 202, description = "They are forgotten"),
        (status = 403, description = "`topic.tracking.enable` or `topic.tracking.allow.reset` is false", body = ErrorMessage),
    ))]
pub async fn reset_topics(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    if !herder.worker.topic_tracking {
        return Err(RestError::new(StatusCode::FORBIDDEN, "Topic tracking is disabled."));
    }
    if !herder.worker.topic_tracking_reset {
        return Err(RestError::new(StatusCode::FORBIDDEN, "Topic tracking reset is disabled."));
    }
    herder.statuses.reset_topics(&name);
    Ok(empty(StatusCode::ACCEPTED))
}
