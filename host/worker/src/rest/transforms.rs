//! `/transforms/try`: a chain of transforms tried on records, with nothing written.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::body::{self, JsonObject};
use super::openapi::schemas::ErrorMessage;
use super::openapi::try_schemas::*;
use super::{Answer, App, RestError, json as answer};
use crate::herder::dry_run::{Sample, Try, base64, bytes_of};

const FIELDS: [&str; 5] = ["config", "records", "topic", "last", "schemas"];
const RECORD_FIELDS: [&str; 9] =
    ["topic", "partition", "offset", "timestamp", "key", "key_base64", "value", "value_base64", "headers"];
/// Where a record of the request names no topic.
const TOPIC: &str = "dry-run";

fn bad(message: impl Into<String>) -> RestError {
    RestError::new(StatusCode::BAD_REQUEST, message)
}

/// Try transforms
///
/// Sends records, those of the request or the last of a topic, through the converters and transforms of a configuration, and
/// says what becomes of each. Nothing is written. Values are shown as JSON.
#[utoipa::path(post, path = "/transforms/try", operation_id = "tryTransforms", tag = "plugins",
    request_body = TryRequest,
    responses(
        (status = 200, description = "Every record before and after, its error if it has one, and the time of each transform", body = TryAnswer),
        (status = 400, description = "A setting is wrong, or there are too many records", body = ErrorMessage),
        (status = 404, description = "There is no such topic", body = ErrorMessage),
    ))]
pub async fn dry_run(State(rest): App, body: JsonObject) -> Answer {
    let herder = rest.herder().await?;
    let mut map = body.required("\"config\", and \"records\" or \"topic\" and \"last\",")?;
    if let Some(unknown) = map.keys().find(|k| !FIELDS.contains(&k.as_str())) {
        return Err(bad(format!("\"{unknown}\" is not known here: there are {}", FIELDS.join(", "))));
    }
    let config = match map.remove("config") {
        Some(Value::Object(config)) => body::config(config)?,
        _ => return Err(bad("\"config\" is missing: give the settings of transforms and converters as an object")),
    };
    let schemas = match map.remove("schemas") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(schemas)) => schemas,
        Some(other) => return Err(bad(format!("\"schemas\" is {other}: set true or false"))),
    };
    let records = match (map.remove("records"), map.remove("topic")) {
        (Some(Value::Array(all)), None) => {
            let json = |role: &str| {
                let key = format!("{role}.converter");
                let class = config.get(&key).or_else(|| herder.worker.raw.get(&key));
                class.is_none_or(|c| c.contains("Json"))
            };
            let json = (json("key"), json("value"));
            let read = |(at, record): (usize, Value)| sample(record, json).map_err(|why| bad(format!("record {at}: {why}")));
            all.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?
        }
        (None, Some(Value::String(topic))) => {
            let last = map.remove("last").unwrap_or(10.into());
            let last = last.as_u64().and_then(|n| usize::try_from(n).ok());
            let last = last.ok_or_else(|| bad("\"last\" is not a whole number: say how many records of the topic to try"))?;
            herder.last_records(&topic, last).await?
        }
        (Some(_), Some(_)) => return Err(bad("both \"records\" and \"topic\" are given: give one of them")),
        _ => return Err(bad("there is nothing to try: give \"records\" as an array, or \"topic\" as a text and \"last\"")),
    };
    let done = herder.try_transforms(Try { config, records, schemas }).await?;
    Ok(answer(StatusCode::OK, &done))
}

/// One record of a request; `json`: whether the converters of keys and values take JSON.
fn sample(record: Value, json: (bool, bool)) -> Result<Sample, String> {
    let Value::Object(mut map) = record else { return Err("it is not an object".into()) };
    if let Some(unknown) = map.keys().find(|k| !RECORD_FIELDS.contains(&k.as_str())) {
        return Err(format!("\"{unknown}\" is not known: there are {}", RECORD_FIELDS.join(", ")));
    }
    let key = part(&mut map, "key", json.0)?;
    let value = part(&mut map, "value", json.1)?;
    let headers = match map.remove("headers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(all)) => all.into_iter().map(header).collect::<Result<_, _>>()?,
        Some(_) => return Err("\"headers\" is not an array of {\"key\": ..., \"value\": ...}".into()),
    };
    let number = |name: &str| match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(n) => n.as_i64().map(Some).ok_or_else(|| format!("\"{name}\" is {n}: give a whole number")),
    };
    let topic = match map.get("topic") {
        None | Some(Value::Null) => TOPIC.to_owned(),
        Some(Value::String(topic)) => topic.clone(),
        Some(other) => return Err(format!("\"topic\" is {other}: give a text")),
    };
    let partition = number("partition")?.map(i32::try_from).transpose();
    let partition = partition.map_err(|_| "\"partition\" is too large".to_owned())?;
    Ok(Sample { topic, partition, offset: number("offset")?, timestamp: number("timestamp")?, key, value, headers })
}

/// `name`, or bytes in `name_base64`.
fn part(map: &mut Map<String, Value>, name: &str, json: bool) -> Result<Option<Vec<u8>>, String> {
    let encoded = format!("{name}_base64");
    match (map.remove(name), map.remove(&encoded)) {
        (Some(_), Some(_)) => Err(format!("both \"{name}\" and \"{encoded}\" are given: give one of them")),
        (_, Some(Value::String(text))) => base64(&text).map(Some).ok_or_else(|| format!("\"{encoded}\" is not base64")),
        (_, Some(other)) => Err(format!("\"{encoded}\" is {other}: give a text")),
        (value, None) => Ok(value.and_then(|v| bytes_of(&v, json))),
    }
}

fn header(header: Value) -> Result<(String, Option<Vec<u8>>), String> {
    match header {
        Value::Object(mut header) => {
            let value = header.remove("value").and_then(|v| bytes_of(&v, false));
            match header.remove("key") {
                Some(Value::String(key)) => Ok((key, value)),
                _ => Err("a header has no \"key\"".into()),
            }
        }
        _ => Err("a header is not {\"key\": ..., \"value\": ...}".into()),
    }
}
