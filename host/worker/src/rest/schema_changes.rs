//! `/schemas/changes`: what the schema monitor has seen, its acknowledgement, and a stream of what it sees.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::openapi::schemas::{self, ErrorMessage};
use super::schema_rules::{JsonBody, bad, monitor};
use super::{Answer, App, RestError, Stage, json as answer};
use crate::registry::monitor::event::{ChangeEvent, EventKind};
use crate::registry::monitor::store::Query;

/// Changes of one page, unless asked for otherwise.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// How often a stream is asked whether its reader lives.
const PING: Duration = Duration::from_secs(20);
/// How long one event may take to be written to a reader.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest acknowledger's name.
const NAME_BYTES_MAX: usize = 256;

/// The parameters of a query, each at most once.
pub(super) fn parameters(query: Option<String>, known: &[&str]) -> Result<Vec<(String, String)>, RestError> {
    let mut all: Vec<(String, String)> = Vec::new();
    for pair in query.as_deref().unwrap_or_default().split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text: &str| {
            let text = text.replace('+', " ");
            let decoded = percent_encoding::percent_decode_str(&text).decode_utf8().map(|t| t.into_owned());
            decoded.map_err(|_| bad(format!("The query parameter {name} is not UTF-8")))
        };
        let (name, value) = (decoded(name)?, decoded(value)?);
        if !known.contains(&name.as_str()) {
            return Err(bad(format!("Unknown query parameter {name}: use {}", known.join(", "))));
        }
        if all.iter().any(|(n, _)| *n == name) {
            return Err(bad(format!("The query parameter {name} is given twice")));
        }
        all.push((name, value));
    }
    Ok(all)
}

fn query(given: Option<String>, known: &[&str]) -> Result<Query, RestError> {
    let mut query = Query { limit: LIMIT, ..Query::default() };
    for (name, value) in parameters(given, known)? {
        let wrong = |expected: &str| bad(format!("Invalid value {value} for query parameter {name}: set {expected}"));
        match name.as_str() {
            "subject" => query.subject = Some(value),
            "connector" => query.connector = Some(value),
            "since" => query.since_ms = Some(value.parse().map_err(|_| wrong("milliseconds since the epoch"))?),
            "before" => query.before = Some(value.parse().map_err(|_| wrong("the id of a change"))?),
            "kind" => {
                let kinds = EventKind::ALL.map(EventKind::name).join(", ");
                query.kind = Some(EventKind::parse(&value).ok_or_else(|| wrong(&format!("one of {kinds}")))?);
            }
            "acknowledged" => {
                query.acknowledged = Some(match value.to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(wrong("true or false")),
                })
            }
            _ => {
                let limit = value.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n));
                query.limit = limit.ok_or_else(|| wrong(&format!("1 to {LIMIT_MAX}")))?;
            }
        }
    }
    Ok(query)
}

/// Changes of schemas
///
/// The newest first. `next` is the `before` of the next page; it is null on the last one.
#[utoipa::path(get, path = "/schemas/changes", operation_id = "listSchemaChanges", tag = "schemas",
    params(
        ("subject" = Option<String>, Query, description = "Only of subjects of this pattern: * stands for any characters"),
        ("connector" = Option<String>, Query, description = "Only those that affect this connector"),
        ("since" = Option<u64>, Query, description = "Only those seen since then, in milliseconds since the epoch"),
        ("kind" = Option<EventKind>, Query, description = "Only of this kind"),
        ("acknowledged" = Option<bool>, Query, description = "Only those that somebody, or nobody, has acknowledged"),
        ("before" = Option<u64>, Query, description = "Only those with smaller ids: the `next` of the page before"),
        ("limit" = Option<u64>, Query, description = "How many at most, 1 to 1000; 100 when it is absent"),
    ),
    responses(
        (status = 200, description = "The changes", body = schemas::SchemaChanges),
        (status = 400, description = "A query parameter is wrong", body = ErrorMessage),
        (status = 404, description = "The schema monitor is off", body = ErrorMessage),
    ))]
pub async fn list(State(rest): App, RawQuery(given): RawQuery) -> Answer {
    let query = query(given, &["subject", "connector", "since", "kind", "acknowledged", "before", "limit"])?;
    let monitor = monitor(&rest).await?;
    let (changes, more) = monitor.store.changes(&query);
    let next = changes.last().filter(|_| more).map(|c| c.id);
    let changes: Vec<&ChangeEvent> = changes.iter().map(|c| &**c).collect();
    Ok(answer(StatusCode::OK, &json!({"changes": changes, "next": next})))
}

fn id(given: &str) -> Result<u64, RestError> {
    given.parse().map_err(|_| bad(format!("Invalid id {given} of a change: it is a number, as GET /schemas/changes shows it")))
}

fn unknown(id: u64) -> RestError {
    RestError::not_found(format!("Schema change {id} not found"))
}

/// One change of a schema
#[utoipa::path(get, path = "/schemas/changes/{id}", operation_id = "getSchemaChange", tag = "schemas",
    params(("id", description = "The change's id")),
    responses(
        (status = 200, description = "The change", body = ChangeEvent),
        (status = 400, description = "The id is no number", body = ErrorMessage),
        (status = 404, description = "There is no such change, or the schema monitor is off", body = ErrorMessage),
    ))]
pub async fn get(State(rest): App, Path(given): Path<String>) -> Answer {
    let id = id(&given)?;
    let found = monitor(&rest).await?.store.change(id).ok_or_else(|| unknown(id))?;
    Ok(answer(StatusCode::OK, &json!(&*found)))
}

/// Acknowledge a change
///
/// The version that it brought is accepted, and those before it: connectors that stopped at it go on once they are
/// restarted. To acknowledge again changes nothing.
#[utoipa::path(post, path = "/schemas/changes/{id}/acknowledge", operation_id = "acknowledgeSchemaChange", tag = "schemas",
    params(("id", description = "The change's id")),
    request_body = Option<schemas::Acknowledgement>,
    responses(
        (status = 200, description = "It is acknowledged", body = ChangeEvent),
        (status = 400, description = "The id is no number, or the body is not what is asked for", body = ErrorMessage),
        (status = 404, description = "There is no such change, or the schema monitor is off", body = ErrorMessage),
        (status = 500, description = "The log does not take it: nothing has changed", body = ErrorMessage),
    ))]
pub async fn acknowledge(State(rest): App, Path(given): Path<String>, JsonBody(body): JsonBody) -> Answer {
    let id = id(&given)?;
    let mut by = None;
    for (name, value) in body.unwrap_or_default() {
        match (name.as_str(), value) {
            ("by", serde_json::Value::String(name)) if name.len() <= NAME_BYTES_MAX => by = Some(name),
            ("by", serde_json::Value::Null) => {}
            ("by", _) => return Err(bad(format!("\"by\" must be a text of at most {NAME_BYTES_MAX} bytes"))),
            _ => return Err(bad(format!("Unknown field \"{name}\": send {{}}, or {{\"by\": \"who acknowledges\"}}"))),
        }
    }
    let done = monitor(&rest).await?.acknowledge(id, by).await;
    let done = done.map_err(|e| RestError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(answer(StatusCode::OK, &json!(&*done.ok_or_else(|| unknown(id))?)))
}

/// Changes of schemas as they are seen
///
/// A WebSocket: each text message is one change. A reader that is 1024 changes behind is closed with code 1013.
#[utoipa::path(get, path = "/schemas/changes/stream", operation_id = "streamSchemaChanges", tag = "schemas",
    params(
        ("subject" = Option<String>, Query, description = "Only of subjects of this pattern: * stands for any characters"),
        ("connector" = Option<String>, Query, description = "Only those that affect this connector"),
        ("kind" = Option<EventKind>, Query, description = "Only of this kind"),
    ),
    responses(
        (status = 101, description = "The stream begins"),
        (status = 200, description = "Never: what a message of the stream is", body = ChangeEvent),
        (status = 400, description = "The request asks for no WebSocket, or a query parameter is wrong", body = ErrorMessage),
        (status = 403, description = "A page of another origin asks, which access.control.allow.origin does not name", body = ErrorMessage),
        (status = 404, description = "The schema monitor is off", body = ErrorMessage),
    ))]
pub async fn stream(
    State(rest): App,
    RawQuery(given): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer {
    let query = query(given, &["subject", "connector", "kind"])?;
    let upgrade = upgrade.map_err(|e| bad(format!("This is a WebSocket: {}", e.body_text())))?;
    let monitor = monitor(&rest).await?;
    let herder = rest.herder().await?;
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        let own = origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host));
        // Browsers do not hold WebSockets to the rules of other origins: the server is to.
        if !own && !herder.worker.cross_origin.as_ref().is_some_and(|c| c.allows(origin)) {
            let why = format!("Pages of {origin} may not read this: name it in \"access.control.allow.origin\"");
            return Err(RestError::new(StatusCode::FORBIDDEN, why));
        }
    }
    let changes = monitor.stream();
    drop((monitor, herder));
    let mut stage = rest.stage.clone();
    let response: Response = upgrade.max_message_size(64 << 10).on_upgrade(move |socket| async move {
        tokio::select! {
            _ = tell(socket, changes, query) => {}
            _ = async { let _ = stage.wait_for(|s| matches!(s, Stage::Stopping)).await; } => {}
        }
    });
    Ok(response.into_response())
}

async fn tell(mut socket: WebSocket, mut changes: Receiver<Arc<ChangeEvent>>, query: Query) {
    let mut ping = tokio::time::interval(PING);
    ping.tick().await;
    loop {
        let message = tokio::select! {
            change = changes.recv() => match change {
                Ok(change) if query.takes(&change) => Message::text(json!(&*change).to_string()),
                Ok(_) => continue,
                Err(RecvError::Closed) => return,
                Err(RecvError::Lagged(n)) => {
                    let reason = format!("{n} changes were not read in time: GET /schemas/changes has them").into();
                    let _ = tokio::time::timeout(WRITE_TIMEOUT, socket.send(Message::Close(Some(CloseFrame { code: 1013, reason })))).await;
                    return;
                }
            },
            // Pings are answered where they are read; there is nothing else to be said.
            read = socket.recv() => match read {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            _ = ping.tick() => Message::Ping(Default::default()),
        };
        match tokio::time::timeout(WRITE_TIMEOUT, socket.send(message)).await {
            Ok(Ok(())) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_or_refused() {
        let known = &["subject", "since", "kind", "acknowledged", "before", "limit"];
        let of = |text: &str| query(Some(text.to_owned()), known).map_err(|e| format!("{e:?}"));
        let found = of("subject=a%2Db*&since=5&kind=schema.deleted&acknowledged=FALSE&before=9&limit=2").unwrap();
        assert_eq!((found.subject.as_deref(), found.since_ms, found.before, found.limit), (Some("a-b*"), Some(5), Some(9), 2));
        assert_eq!((found.kind, found.acknowledged), (Some(EventKind::Deleted), Some(false)));
        for (text, says) in [
            ("limit=0", "1 to 1000"),
            ("limit=x", "Invalid value x"),
            ("kind=x", "schema.version_changed"),
            ("acknowledged=1", "true or false"),
            ("since=-1", "milliseconds"),
            ("limit=1&limit=2", "twice"),
            ("page=1", "Unknown query parameter page"),
            ("subject=%ff", "not UTF-8"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
