//! `/dlq`: the dead letter queues, what is in them, and why.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::openapi::dlq_schemas as schemas;
use super::openapi::schemas::ErrorMessage;
use super::schema_changes::parameters;
use super::schema_rules::bad;
use super::{Answer, App, Rest, RestError, json as answer};
use crate::dlq::filter::{Filter, PARAMETERS};
use crate::dlq::index::{Cursor, Order, Row, Summary};
use crate::dlq::{IndexError, Queue};

/// Records of one page, unless asked for otherwise.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// Causes of a summary, unless asked for otherwise.
const CAUSES: usize = 100;
/// The latest hours of a summary that are listed.
const HOURS_MAX: usize = 24 * 31;

fn failed(error: IndexError) -> RestError {
    RestError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Asks the index where it may wait for the disk.
pub(super) async fn ask<T: Send + 'static>(
    queue: &Arc<Queue>,
    ask: impl FnOnce(&Queue) -> Result<T, IndexError> + Send + 'static,
) -> Result<T, RestError> {
    let queue = queue.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&queue)).await;
    asked.map_err(|e| RestError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?.map_err(failed)
}

/// A queue by its name.
pub(super) async fn queue(rest: &Rest, name: &str) -> Result<Arc<Queue>, RestError> {
    let found = rest.herder().await?.dead_letters.get(name).await;
    found.ok_or_else(|| {
        RestError::not_found(format!(
            "Dead letter queue {name} not found: GET /dlq lists the topics that connectors name and that are there"
        ))
    })
}

/// The filter of a query, and what is left of it.
pub(super) fn filter(given: Option<String>, known: &[&str]) -> Result<(Filter, Vec<(String, String)>), RestError> {
    let all: Vec<&str> = PARAMETERS.iter().chain(known).copied().collect();
    let (mut filter, mut left) = (Filter::default(), Vec::new());
    for (name, value) in parameters(given, &all)? {
        if !filter.take(&name, &value).map_err(|e| bad(e.to_string()))? {
            left.push((name, value));
        }
    }
    Ok((filter, left))
}

fn wrong(name: &str, value: &str, remedy: &str) -> RestError {
    bad(format!("Invalid value {value} for parameter {name}: set {remedy}"))
}

fn number(name: &str, value: &str, max: usize) -> Result<usize, RestError> {
    value.parse().ok().filter(|n| (1..=max).contains(n)).ok_or_else(|| wrong(name, value, &format!("1 to {max}")))
}

/// The dead letter queues
///
/// Topics that connectors name as theirs and that are there, also once their connectors are gone. What a queue has is known as far
/// as its index has come: `lag` is what it has yet to read.
#[utoipa::path(get, path = "/dlq", operation_id = "listDeadLetterQueues", tag = "dead letters",
    responses((status = 200, description = "The queues, by their names", body = schemas::DeadLetterQueues)))]
pub async fn list(State(rest): App) -> Answer {
    let queues = rest.herder().await?.dead_letters.clone();
    queues.refresh().await;
    let mut shown = Vec::new();
    for queue in queues.all() {
        let (records, times) = ask(&queue, |q| q.index.extent()).await?;
        let progress = queue.progress();
        let partitions: Vec<Value> = progress
            .iter()
            .map(|(partition, p)| {
                json!({"partition": partition, "start": p.start, "end": p.end, "indexed": p.next, "lag": p.lag()})
            })
            .collect();
        shown.push(json!({
            "name": queue.name,
            "records": records,
            "oldest": times.map(|t| t.0),
            "newest": times.map(|t| t.1),
            "connectors": queue.connectors(),
            "lag": progress.values().map(|p| p.lag()).sum::<i64>(),
            "partitions": partitions,
        }));
    }
    Ok(answer(StatusCode::OK, &json!({"queues": shown})))
}

/// What is in a queue, counted
///
/// By cause, stage, plugin, source topic, outcome and hour; no record is read for it. Times count by whole hours.
#[utoipa::path(get, path = "/dlq/{queue}/summary", operation_id = "summarizeDeadLetters", tag = "dead letters",
    params(
        ("queue", description = "The queue's topic"),
        schemas::FilterParameters,
        ("causes" = Option<u64>, Query, description = "How many causes are listed at most, 1 to 1000; 100 when it is absent"),
    ),
    responses(
        (status = 200, description = "The counts, the largest first", body = schemas::DeadLetterSummary),
        (status = 400, description = "A query parameter is wrong", body = ErrorMessage),
        (status = 404, description = "There is no such queue", body = ErrorMessage),
    ))]
pub async fn summary(State(rest): App, Path(name): Path<String>, RawQuery(given): RawQuery) -> Answer {
    let (filter, left) = filter(given, &["causes"])?;
    if let Some(text) = &filter.text {
        return Err(wrong("text", text, "it for records, and here the cause that they show"));
    }
    let mut causes = CAUSES;
    for (name, value) in left {
        causes = number(&name, &value, LIMIT_MAX)?;
    }
    let queue = queue(&rest, &name).await?;
    let lag: i64 = queue.progress().values().map(|p| p.lag()).sum();
    let summary = ask(&queue, move |q| q.index.summary(&filter)).await?;
    Ok(answer(StatusCode::OK, &shown_summary(&name, lag, &summary, causes)))
}

fn shown_summary(name: &str, lag: i64, of: &Summary, causes: usize) -> Value {
    let hours = &of.hours[of.hours.len().saturating_sub(HOURS_MAX)..];
    json!({
        "name": name,
        "records": of.records,
        "lag": lag,
        "causes_total": of.causes.len(),
        "causes": of.causes.iter().take(causes).map(|c| json!({
            "cause": c.cause, "error": c.error, "message": c.message, "records": c.records,
            "first_hour": c.first, "last_hour": c.last,
        })).collect::<Vec<_>>(),
        "stages": of.stages.iter().map(|(stage, n)| json!({"stage": stage, "records": n})).collect::<Vec<_>>(),
        "plugins": of.plugins.iter().map(|((connector, version), n)| {
            json!({"connector": connector, "plugin_version": version, "records": n})
        }).collect::<Vec<_>>(),
        "source_topics": of.source_topics.iter().map(|(topic, n)| json!({"source_topic": topic, "records": n})).collect::<Vec<_>>(),
        "outcomes": of.outcomes.iter().map(|(o, n)| json!({"outcome": o.name(), "records": n})).collect::<Vec<_>>(),
        "hours": hours.iter().map(|(hour, n)| json!({"hour": hour, "records": n})).collect::<Vec<_>>(),
    })
}

/// A record of a list.
pub(super) fn shown(row: &Row) -> Value {
    json!({
        "partition": row.position.partition,
        "offset": row.position.offset,
        "failed_at": Some(row.at).filter(|at| *at >= 0),
        "cause": row.cause,
        "error": row.error,
        "message": row.message,
        "stage": row.stage,
        "connector": row.connector,
        "plugin_version": row.plugin_version,
        "source_topic": row.source_topic,
        "source_partition": row.source_partition,
        "source_offset": row.source_offset,
        "outcome": row.outcome.name(),
    })
}

/// Dead letters, a page at a time
///
/// `next` is the `cursor` of the next page; it is null on the last one. The pages of one walk have every record once, whatever
/// arrives meanwhile. Where a filter leaves out almost all, a page may be short or empty and have a next one.
#[utoipa::path(get, path = "/dlq/{queue}/records", operation_id = "listDeadLetters", tag = "dead letters",
    params(
        ("queue", description = "The queue's topic"),
        schemas::FilterParameters,
        ("text" = Option<String>, Query, description = "Only those whose error's message has this text, in upper or lower case"),
        ("order" = Option<schemas::DeadLetterOrder>, Query, description = "newest or oldest first; newest when it is absent"),
        ("limit" = Option<u64>, Query, description = "How many at most, 1 to 1000; 100 when it is absent"),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "The records", body = schemas::DeadLetters),
        (status = 400, description = "A query parameter is wrong", body = ErrorMessage),
        (status = 404, description = "There is no such queue", body = ErrorMessage),
    ))]
pub async fn records(State(rest): App, Path(name): Path<String>, RawQuery(given): RawQuery) -> Answer {
    let (filter, left) = filter(given, &["order", "limit", "cursor"])?;
    let (mut order, mut limit, mut cursor) = (None, LIMIT, None);
    for (name, value) in left {
        match name.as_str() {
            "order" => {
                order = Some(match value.as_str() {
                    "newest" => Order::Newest,
                    "oldest" => Order::Oldest,
                    _ => return Err(wrong(&name, &value, "newest or oldest")),
                })
            }
            "limit" => limit = number(&name, &value, LIMIT_MAX)?,
            _ => {
                let decoded = Cursor::decode(&value);
                cursor = Some(decoded.ok_or_else(|| wrong(&name, &value, "the \"next\" of the page before"))?);
            }
        }
    }
    if let (Some(order), Some(cursor)) = (order, &cursor)
        && order != cursor.order
    {
        return Err(bad("Parameters order and cursor do not agree: leave order out, the cursor has it"));
    }
    let cursor = cursor.unwrap_or_else(|| Cursor::start(order.unwrap_or(Order::Newest)));
    let queue = queue(&rest, &name).await?;
    let page = ask(&queue, move |q| q.index.page(&filter, &cursor, limit)).await?;
    let rows: Vec<Value> = page.rows.iter().map(shown).collect();
    Ok(answer(StatusCode::OK, &json!({"records": rows, "next": page.next.map(|n| n.encode())})))
}
