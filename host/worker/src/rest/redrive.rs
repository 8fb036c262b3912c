//! `/dlq/Q/redrive`, `/dlq/Q/discard` and the jobs that come of them.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use millrace_record::RawConfig;
use serde_json::{Map, Value};

use super::openapi::redrive_schemas::*;
use super::openapi::schemas::ErrorMessage;
use super::schema_rules::{JsonBody, bad};
use super::{Answer, App, RestError, json as answer};
use crate::dlq::Filter;
use crate::dlq::redrive::{POSITIONS_MAX, Part, Selection, Wanted, What, is_transform};
use crate::herder::dry_run::RECORDS_MAX;
use crate::task::parse_patch;

/// The longest reason, and the longest name of who asks.
const TEXT_BYTES_MAX: usize = 1_000;
/// How many records a dry run takes.
const DRY_RUN: usize = 20;
const SELECTION: [&str; 3] = ["positions", "filter", "all"];

/// Redrive dead letters
///
/// Sends records of a dead letter queue through the sink that they failed in once more: converters, transforms, put. No other
/// consumer of their topic gets them. It answers with a job at once; jobs of a queue run one after another.
#[utoipa::path(post, path = "/dlq/{queue}/redrive", operation_id = "redriveDeadLetters", tag = "dead letters",
    params(("queue", description = "The queue's topic")),
    request_body = RedriveRequest,
    responses(
        (status = 200, description = "Of a dry run: what would become of the first records", body = RedriveTry),
        (status = 202, description = "The job", body = RedriveJob),
        (status = 400, description = "A field is missing or wrong", body = ErrorMessage),
        (status = 404, description = "There is no such queue", body = ErrorMessage),
        (status = 409, description = "A position that was named has its outcome", body = ErrorMessage),
    ))]
pub async fn redrive(State(rest): App, Path(queue): Path<String>, JsonBody(body): JsonBody) -> Answer {
    let mut body = Body(body.unwrap_or_default());
    body.known(&["connector", "patch", "of", "transforms", "rate", "dry_run", "limit", "by"])?;
    let limit = body.limit()?;
    let wanted = Wanted {
        what: What::Redrive,
        selection: body.selection()?,
        connector: body.text("connector")?,
        patch: body.patch()?,
        of: body.of()?,
        transforms: body.transforms()?,
        rate: body.rate()?,
        reason: None,
        by: body.text("by")?,
    };
    let herder = rest.herder().await?;
    if let Some(limit) = limit {
        return Ok(answer(StatusCode::OK, &herder.redrives.dry_run(&herder, &queue, wanted, limit).await?));
    }
    Ok(answer(StatusCode::ACCEPTED, &herder.redrives.create(&herder, &queue, wanted).await?))
}

/// Discard dead letters
///
/// They stay in the queue for as long as it keeps them, and are not redriven any more.
#[utoipa::path(post, path = "/dlq/{queue}/discard", operation_id = "discardDeadLetters", tag = "dead letters",
    params(("queue", description = "The queue's topic")),
    request_body = DiscardRequest,
    responses(
        (status = 202, description = "The job", body = RedriveJob),
        (status = 400, description = "A field is missing or wrong", body = ErrorMessage),
        (status = 404, description = "There is no such queue", body = ErrorMessage),
        (status = 409, description = "A position that was named has its outcome", body = ErrorMessage),
    ))]
pub async fn discard(State(rest): App, Path(queue): Path<String>, JsonBody(body): JsonBody) -> Answer {
    let mut body = Body(body.unwrap_or_default());
    body.known(&["reason", "by"])?;
    let wanted = Wanted {
        what: What::Discard,
        selection: body.selection()?,
        connector: None,
        patch: None,
        of: Part::Value,
        transforms: Default::default(),
        rate: None,
        reason: Some(body.text("reason")?.ok_or_else(|| bad("\"reason\" is missing: say why they are discarded"))?),
        by: body.text("by")?,
    };
    let herder = rest.herder().await?;
    Ok(answer(StatusCode::ACCEPTED, &herder.redrives.create(&herder, &queue, wanted).await?))
}

/// The jobs of a queue
///
/// All that were made, the last one first.
#[utoipa::path(get, path = "/dlq/{queue}/jobs", operation_id = "listRedriveJobs", tag = "dead letters",
    params(("queue", description = "The queue's topic")),
    responses((status = 200, description = "The jobs", body = RedriveJobs)))]
pub async fn jobs(State(rest): App, Path(queue): Path<String>) -> Answer {
    Ok(answer(StatusCode::OK, &rest.herder().await?.redrives.list(&queue).await))
}

/// A job, and how far it is
#[utoipa::path(get, path = "/dlq/{queue}/jobs/{job}", operation_id = "getRedriveJob", tag = "dead letters",
    params(("queue", description = "The queue's topic"), ("job", description = "The job's id")),
    responses(
        (status = 200, description = "The job", body = RedriveJob),
        (status = 404, description = "The queue has no such job", body = ErrorMessage),
    ))]
pub async fn job(State(rest): App, Path((queue, id)): Path<(String, String)>) -> Answer {
    Ok(answer(StatusCode::OK, &rest.herder().await?.redrives.get(&queue, &id).await?))
}

/// Cancel a job
///
/// It ends behind the batch in hand. What it has done stays done, the rest has no outcome.
#[utoipa::path(post, path = "/dlq/{queue}/jobs/{job}/cancel", operation_id = "cancelRedriveJob", tag = "dead letters",
    params(("queue", description = "The queue's topic"), ("job", description = "The job's id")),
    responses(
        (status = 202, description = "It is about to end", body = RedriveJob),
        (status = 404, description = "The queue has no such job", body = ErrorMessage),
        (status = 409, description = "It has ended", body = ErrorMessage),
    ))]
pub async fn cancel(State(rest): App, Path((queue, id)): Path<(String, String)>) -> Answer {
    Ok(answer(StatusCode::ACCEPTED, &rest.herder().await?.redrives.cancel(&queue, &id).await?))
}

/// The fields of a request, taken one by one.
struct Body(Map<String, Value>);

impl Body {
    fn known(&self, more: &[&str]) -> Result<(), RestError> {
        match self.0.keys().find(|k| !more.contains(&k.as_str()) && !SELECTION.contains(&k.as_str())) {
            None => Ok(()),
            Some(unknown) => {
                let all = [&SELECTION, more].concat().join(", ");
                Err(bad(format!("\"{unknown}\" is not known here: there are {all}")))
            }
        }
    }

    /// Null is as not given.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|v| !v.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, RestError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX => Ok(Some(text)),
            Some(other) => Err(bad(format!("\"{name}\" is {other}: give a text of 1 to {TEXT_BYTES_MAX} bytes"))),
        }
    }

    fn rate(&mut self) -> Result<Option<u32>, RestError> {
        let Some(rate) = self.take("rate") else { return Ok(None) };
        let number = rate.as_u64().and_then(|r| u32::try_from(r).ok()).filter(|r| *r > 0);
        number.map(Some).ok_or_else(|| bad(format!("\"rate\" is {rate}: give records a second, a whole number from 1 on")))
    }

    fn patch(&mut self) -> Result<Option<Value>, RestError> {
        let Some(patch) = self.take("patch") else { return Ok(None) };
        let example = "[{\"op\": \"replace\", \"path\": \"/amount\", \"value\": 0}]";
        match parse_patch(&patch) {
            Ok(_) => Ok(Some(patch)),
            Err(why) => Err(bad(format!("\"patch\" is no JSON Patch (RFC 6902): {why}; write a list such as {example}"))),
        }
    }

    fn of(&mut self) -> Result<Part, RestError> {
        match self.take("of") {
            None => Ok(Part::Value),
            Some(Value::String(of)) if of == "value" => Ok(Part::Value),
            Some(Value::String(of)) if of == "key" => Ok(Part::Key),
            Some(other) => Err(bad(format!("\"of\" is {other}: the patch is of the \"value\" or of the \"key\""))),
        }
    }

    fn transforms(&mut self) -> Result<RawConfig, RestError> {
        let settings = match self.take("transforms") {
            None => return Ok(RawConfig::new()),
            Some(Value::Object(settings)) => super::body::config(settings)?,
            Some(other) => {
                let example = "{\"transforms\": \"a\", \"transforms.a.type\": \"...\"}";
                return Err(bad(format!("\"transforms\" is {other}: give settings as an object such as {example}")));
            }
        };
        match settings.keys().find(|k| !is_transform(k)) {
            None => Ok(settings),
            Some(key) => Err(bad(format!(
                "\"transforms\" has \"{key}\", which is none of a transform's: give \"transforms\", \"transforms.*\", \"predicates\" and \"predicates.*\""
            ))),
        }
    }

    /// How many records a dry run takes; none: it is none.
    fn limit(&mut self) -> Result<Option<usize>, RestError> {
        let dry = match self.take("dry_run") {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(other) => return Err(bad(format!("\"dry_run\" is {other}: set true or false"))),
        };
        let limit = match self.take("limit") {
            None => DRY_RUN,
            Some(limit) => {
                let number = limit.as_u64().filter(|n| (1..=RECORDS_MAX as u64).contains(n));
                number.ok_or_else(|| bad(format!("\"limit\" is {limit}: a dry run takes 1 to {RECORDS_MAX} records")))? as usize
            }
        };
        Ok(dry.then_some(limit))
    }

    fn selection(&mut self) -> Result<Selection, RestError> {
        let given = SELECTION.map(|name| self.take(name));
        if given.iter().flatten().count() > 1 {
            return Err(bad(format!("more than one of {} are given: give one of them", SELECTION.join(", "))));
        }
        let [positions, filter, all] = given;
        match (positions, filter, all) {
            (_, _, Some(Value::Bool(true))) => Ok(Selection::All),
            (_, _, Some(given)) => Err(bad(format!("\"all\" is {given}: it can only be true"))),
            (_, Some(Value::Object(filter)), _) => {
                let filter = Filter::from_json(&filter).map_err(|e| bad(format!("\"filter\": {e}")))?;
                Ok(Selection::Filter(filter.to_json()))
            }
            (_, Some(given), _) => Err(bad(format!("\"filter\" is {given}: give an object such as {{\"stage\": \"TASK_PUT\"}}"))),
            (Some(Value::Array(given)), _, _) => {
                if given.is_empty() || given.len() > POSITIONS_MAX {
                    return Err(bad(format!("\"positions\" has {} entries: give 1 to {POSITIONS_MAX}", given.len())));
                }
                let read = |v: &Value| {
                    let position = v.as_str().and_then(|text| text.parse().ok());
                    position.ok_or_else(|| bad(format!("\"positions\" has {v}: write partition and offset, such as \"0-17\"")))
                };
                Ok(Selection::Positions(given.iter().map(read).collect::<Result<BTreeSet<_>, _>>()?))
            }
            (Some(given), _, _) => Err(bad(format!("\"positions\" is {given}: give a list such as [\"0-17\"]"))),
            (None, None, None) => Err(bad(format!("nothing is selected: give one of {}", SELECTION.join(", ")))),
        }
    }
}
