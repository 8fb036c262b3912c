//! `/connectors/C/state`: how much the plugins of a connector keep, and forgetting it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::json;

use super::openapi::schemas::{self, ErrorMessage};
use super::{Answer, App, json as answer};

/// How much the connector's plugins keep
///
/// By task, the source's or sink's own and that of each transform. What they keep is theirs alone, and not shown.
#[utoipa::path(get, path = "/connectors/{connector}/state", operation_id = "getState", tag = "offsets",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "Those that keep something", body = schemas::ConnectorStates),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn get(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    herder.state(&name)?;
    let states: Vec<_> = herder
        .states
        .kept(&name)
        .into_iter()
        .map(|k| json!({"task": k.task, "transform": k.alias, "entries": k.entries, "bytes": k.bytes}))
        .collect();
    Ok(answer(StatusCode::OK, &json!({"state": states})))
}

/// Forget what the plugins of a stopped connector keep
#[utoipa::path(delete, path = "/connectors/{connector}/state", operation_id = "resetState", tag = "offsets",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "It is forgotten", body = schemas::Message),
        (status = 400, description = "The connector is not stopped", body = ErrorMessage),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
        (status = 500, description = "Kafka refuses", body = ErrorMessage),
    ))]
pub async fn reset(State(rest): App, Path(name): Path<String>) -> Answer {
    rest.herder().await?.reset_state(&name).await?;
    Ok(answer(StatusCode::OK, &json!({"message": "The state of this connector's plugins has been reset successfully"})))
}
