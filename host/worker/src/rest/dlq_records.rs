//! `/dlq/{queue}/records/{position}` and `/dlq/{queue}/export`: dead letters in full.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rdkafka::message::{Headers, Message};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::dlq::{ask, filter, queue, shown};
use super::openapi::dlq_schemas as schemas;
use super::openapi::schemas::ErrorMessage;
use super::schema_rules::bad;
use super::{Answer, App, RestError, json as answer};
use crate::dlq::letter::{Failure, Letter};
use crate::dlq::read::{ReadError, Reader};
use crate::dlq::{Position, Queue};
use crate::herder::dry_run::Sample;

/// Records that an export looks up at once.
const EXPORT_AT_ONCE: usize = 1_000;
/// Bytes of lines that are sent together, and how many such pieces wait for a slow reader.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_MAX: usize = 8;

/// Headers that say why a record is a dead letter; the others are its own.
fn is_of_failure(name: &str) -> bool {
    name.starts_with("__connect.errors.") || name.starts_with("dlq.")
}

fn unreadable(error: ReadError) -> RestError {
    RestError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// A text as it is, other bytes in base 64.
fn bytes(of: Option<&[u8]>) -> Value {
    match of.map(std::str::from_utf8) {
        None => Value::Null,
        Some(Ok(text)) => json!({"text": text}),
        Some(Err(_)) => json!({"base64": of.map(|b| BASE64_STANDARD.encode(b))}),
    }
}

fn base64(of: Option<&[u8]>) -> Value {
    of.map_or(Value::Null, |b| BASE64_STANDARD.encode(b).into())
}

/// One dead letter in full
///
/// Its bytes as they are, what its connector's converters make of them, and every failure that its headers tell of, the
/// first one first. `decoded` is null where the connector is gone.
#[utoipa::path(get, path = "/dlq/{queue}/records/{position}", operation_id = "getDeadLetter", tag = "dead letters",
    params(
        ("queue", description = "The queue's topic"),
        ("position", description = "Partition and offset in the queue, such as 0-42"),
    ),
    responses(
        (status = 200, description = "The record", body = schemas::DeadLetterInFull),
        (status = 400, description = "The position is none", body = ErrorMessage),
        (status = 404, description = "There is no such queue, or no such record in it", body = ErrorMessage),
    ))]
pub async fn get(State(rest): App, Path((name, position)): Path<(String, String)>) -> Answer {
    let position: Position = position.parse().map_err(|remedy| bad(format!("Invalid position {position}: give {remedy}")))?;
    let herder = rest.herder().await?;
    let queue = queue(&rest, &name).await?;
    let none = || {
        RestError::not_found(format!(
            "Dead letter queue {name} has no record {position}: GET /dlq/{name}/records lists those it has"
        ))
    };
    if !queue.progress().get(&position.partition).is_some_and(|p| (p.start..p.end.max(p.next)).contains(&position.offset)) {
        return Err(none());
    }
    let config = herder.dead_letters.reader_config();
    let reading = name.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut found = None;
        Reader::new(&reading, &config)?.read(&[position], |message| {
            found = Some(message.detach());
            true
        })?;
        Ok::<_, ReadError>(found)
    });
    let read = read.await.map_err(|e| RestError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    let message = read.map_err(unreadable)?.ok_or_else(none)?;
    let known = ask(&queue, move |q| q.index.row(position)).await?;
    let letter = Letter::of(&message);
    let headers: Vec<(&str, Option<&[u8]>)> =
        message.headers().into_iter().flat_map(|h| h.iter()).map(|h| (h.key, h.value)).collect();
    let failures = Failure::all(headers.iter().copied());
    let (row, outcome) = match known {
        Some((row, outcome)) => (shown(&row), outcome),
        // It has just come.
        None => (json!({"partition": position.partition, "offset": position.offset, "outcome": "waiting"}), None),
    };
    let own = headers.iter().filter(|(name, _)| !is_of_failure(name));
    let connector = letter.failure.connector.clone().unwrap_or_default();
    let sample = Sample {
        topic: letter.failure.source_topic.clone().unwrap_or_else(|| name.clone()),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: own.map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect(),
        ..Sample::default()
    };
    let decoded = herder.decoded(&connector, sample).await;
    let mut full = row;
    full["timestamp"] = message.timestamp().to_millis().into();
    full["key"] = bytes(message.key());
    full["value"] = bytes(message.payload());
    full["headers"] = headers.iter().map(|(name, value)| json!({"name": name, "value": bytes(*value)})).collect();
    full["decoded"] = decoded.unwrap_or_default();
    full["failures"] = failures.iter().map(shown_failure).collect();
    full["outcome_detail"] = outcome.map_or(Value::Null, |o| json!({"at": o.at, "by": o.by, "reason": o.reason}));
    Ok(answer(StatusCode::OK, &full))
}

fn shown_failure(f: &Failure) -> Value {
    json!({
        "stage": f.stage, "error": f.error, "class": f.class, "message": f.message, "stacktrace": f.stacktrace,
        "connector": f.connector, "task": f.task, "plugin_version": f.plugin_version, "failed_at": f.at,
        "source_topic": f.source_topic, "source_partition": f.source_partition, "source_offset": f.source_offset,
    })
}

/// Dead letters as lines of JSON
///
/// In log order, as many as are indexed now. Keys, values and headers are in base 64, so that every byte is as it was. An export that
/// fails on its way ends with a line that has an `error`.
#[utoipa::path(get, path = "/dlq/{queue}/export", operation_id = "exportDeadLetters", tag = "dead letters",
    params(
        ("queue", description = "The queue's topic"),
        schemas::FilterParameters,
        ("text" = Option<String>, Query, description = "Only those whose error's message has this text, in upper or lower case"),
    ),
    responses(
        (status = 200, description = "A record a line", body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "A query parameter is wrong", body = ErrorMessage),
        (status = 404, description = "There is no such queue", body = ErrorMessage),
    ))]
pub async fn export(State(rest): App, Path(name): Path<String>, RawQuery(given): RawQuery) -> Answer {
    let (filter, _) = filter(given, &[])?;
    let queue = queue(&rest, &name).await?;
    let config = rest.herder().await?.dead_letters.reader_config();
    let mut reader = Reader::new(&name, &config).map_err(unreadable)?;
    let (sender, mut receiver) = mpsc::channel::<Bytes>(PIECES_MAX);
    let stopped = CancellationToken::new();
    // A worker that stops does not wait for a slow reader.
    let (mut stage, stopping) = (rest.stage.clone(), stopped.clone());
    tokio::spawn(async move {
        tokio::select! {
            _ = stage.wait_for(|s| matches!(s, super::Stage::Stopping)) => stopping.cancel(),
            _ = stopping.cancelled() => {}
        }
    });
    let ends = stopped.clone();
    tokio::task::spawn_blocking(move || {
        let _ended = ends.clone().drop_guard();
        let runtime = tokio::runtime::Handle::current();
        let send = |piece: Vec<u8>| {
            runtime.block_on(async {
                tokio::select! {
                    sent = sender.send(piece.into()) => sent.is_ok(),
                    _ = ends.cancelled() => false,
                }
            })
        };
        if let Err(why) = lines(&queue, &filter, &mut reader, &send) {
            send(format!("{}\n", json!({"error": why})).into_bytes());
        }
    });
    let pieces = futures::stream::poll_fn(move |context| receiver.poll_recv(context).map(|piece| piece.map(Ok::<_, Infallible>)));
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok::<Response, _>((StatusCode::OK, headers, Body::from_stream(pieces)).into_response())
}

/// Sends the lines of all records that pass, until nobody takes them any more.
fn lines(queue: &Queue, filter: &crate::dlq::Filter, reader: &mut Reader, send: &impl Fn(Vec<u8>) -> bool) -> Result<(), String> {
    let mut after = None;
    loop {
        let some = queue.index.select(filter, after, EXPORT_AT_ONCE).map_err(|e| e.to_string())?;
        let Some(last) = some.last() else { return Ok(()) };
        after = Some(*last);
        let rows = queue.index.rows(&some).map_err(|e| e.to_string())?;
        let mut rows = rows.iter().peekable();
        let (mut piece, mut wanted) = (Vec::with_capacity(PIECE_BYTES), true);
        let read = reader.read(&some, |message| {
            let position = Position { partition: message.partition(), offset: message.offset() };
            while rows.next_if(|r| r.position < position).is_some() {}
            let mut line = rows.next_if(|r| r.position == position).map_or_else(|| json!({}), shown);
            line["timestamp"] = message.timestamp().to_millis().into();
            line["key"] = base64(message.key());
            line["value"] = base64(message.payload());
            let headers = message.headers().into_iter().flat_map(|h| h.iter());
            line["headers"] = headers.map(|h| json!({"name": h.key, "value": base64(h.value)})).collect();
            piece.extend_from_slice(line.to_string().as_bytes());
            piece.push(b'\n');
            if piece.len() >= PIECE_BYTES {
                wanted = send(std::mem::replace(&mut piece, Vec::with_capacity(PIECE_BYTES)));
            }
            wanted
        });
        read.map_err(|e| e.to_string())?;
        if !wanted || (!piece.is_empty() && !send(piece)) {
            return Ok(());
        }
    }
}
