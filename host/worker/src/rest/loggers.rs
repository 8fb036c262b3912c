//! `/admin/loggers`.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::body::{JsonObject, text};
use super::openapi::schemas::{self, ErrorMessage};
use super::{Answer, App, RestError, empty, json as answer};
use crate::loggers::{self, Logger};

fn shown(logger: Logger) -> Value {
    json!({"level": logger.level, "last_modified": logger.last_modified})
}

/// All loggers with their levels
#[utoipa::path(get, path = "/admin/loggers", operation_id = "listLoggers", tag = "loggers",
    responses((status = 200, description = "The loggers by name", body = std::collections::BTreeMap<String, schemas::LoggerLevel>)))]
pub async fn list(State(rest): App) -> Answer {
    let all = rest.loggers.all().into_iter().map(|(name, logger)| (name, shown(logger)));
    Ok(answer(StatusCode::OK, &Value::Object(all.collect())))
}

/// A logger's level
#[utoipa::path(get, path = "/admin/loggers/{logger}", operation_id = "getLogger", tag = "loggers",
    params(("logger", description = "The logger's name; `root` is the one above all")),
    responses(
        (status = 200, description = "Its level", body = schemas::LoggerLevel),
        (status = 404, description = "There is no such logger", body = ErrorMessage),
    ))]
pub async fn get(State(rest): App, Path(name): Path<String>) -> Answer {
    let logger = rest.loggers.get(&name).ok_or_else(|| RestError::not_found(format!("Logger {name} not found.")))?;
    Ok(answer(StatusCode::OK, &shown(logger)))
}

/// Set the level of a logger and of all below it
///
/// Of this worker until it stops, or with `scope=cluster` of all workers and after a restart too.
#[utoipa::path(put, path = "/admin/loggers/{logger}", operation_id = "setLogger", tag = "loggers",
    params(
        ("logger", description = "The logger's name; `root` is the one above all"),
        ("scope" = Option<String>, Query, description = "`worker`, as when it is absent, or `cluster`"),
    ),
    request_body = schemas::GivenLevel,
    responses(
        (status = 200, description = "The loggers whose level has changed", body = Vec<String>),
        (status = 204, description = "With `scope=cluster`: it is set"),
        (status = 400, description = "The body has no level", body = ErrorMessage),
        (status = 404, description = "There is no such level", body = ErrorMessage),
    ))]
pub async fn put(
    State(rest): App,
    Path(name): Path<String>,
    Query(params): Query<Vec<(String, String)>>,
    body: JsonObject,
) -> Answer {
    let mut body = body.required("the \"level\"")?;
    let given = text("level", body.remove("level").unwrap_or_default())?;
    let given = given
        .ok_or_else(|| RestError::new(StatusCode::BAD_REQUEST, "Desired 'level' parameter was not specified in request."))?;
    if given.is_empty() {
        return Err(RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "Illegal null or empty Level name."));
    }
    let level = loggers::level(&given);
    let level = level.ok_or_else(|| RestError::not_found(format!("invalid log level '{given}'.")))?;
    if params.iter().any(|(k, v)| k == "scope" && v.eq_ignore_ascii_case("cluster")) {
        let herder = rest.herder().await?;
        herder.configs.put_logger(&name, level).await.map_err(crate::herder::HerderError::from)?;
        rest.loggers.set(&name, level);
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    Ok(answer(StatusCode::OK, &json!(rest.loggers.set(&name, level))))
}
