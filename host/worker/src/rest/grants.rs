//! `/connectors/C/grants`: what the plugins of a connector may reach, and who said so.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::openapi::grant_schemas::*;
use super::openapi::schemas::ErrorMessage;
use super::{Answer, App, json as answer};

/// What the connector's plugins need, and were granted
///
/// Its own plugin's capabilities, then those of its transforms: by which setting each was granted, how far it reaches, and whether
/// the worker's `plugin.grants.allowed` lets it. What every plugin has without a grant is left out.
#[utoipa::path(get, path = "/connectors/{connector}/grants", operation_id = "getGrants", tag = "connectors",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "Plugin by plugin", body = ConnectorGrants),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
        (status = 500, description = "One of its plugins is not there any more", body = ErrorMessage),
    ))]
pub async fn get(State(rest): App, Path(name): Path<String>) -> Answer {
    let grants = rest.herder().await?.grants_of(&name)?;
    Ok(answer(StatusCode::OK, &grants))
}
