//! `/connector-plugins` and below.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Value, json};

use super::body::{self, JsonObject};
use super::openapi::plugin_schemas::*;
use super::openapi::schemas::{ErrorMessage, GivenConfig};
use super::{Answer, App, RestError, json as answer};
use crate::herder::{Definition, Herder, HerderError};
use crate::plugins::{Known, Requirement, no_version};

type Params = Query<Vec<(String, String)>>;

/// The first of a name, as Java's resources read them.
fn param<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
}

/// JSON without a tree of values between: the answers are large.
fn written(body: &impl Serialize) -> Answer {
    match serde_json::to_string(body) {
        Ok(text) => Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], text).into_response()),
        Err(error) => Err(RestError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

/// The plugins that the worker has
#[utoipa::path(get, path = "/connector-plugins", operation_id = "listPlugins", tag = "plugins",
    params(("connectorsOnly" = Option<bool>, Query, description = "Sources and sinks only; true when it is absent")),
    responses(
        (status = 200, description = "The plugins", body = Vec<PluginInfo>),
    ))]
pub async fn list(State(rest): App, Query(params): Params) -> Answer {
    let herder = rest.herder().await?;
    // Java reads everything but "true" as false.
    let connectors_only = param(&params, "connectorsOnly").is_none_or(|v| v.is_empty() || v.eq_ignore_ascii_case("true"));
    let entry = |(class, kind, version): (String, &str, String)| json!({"class": class, "type": kind, "version": version});
    let listed: Vec<Value> = herder.plugins.listing(connectors_only).into_iter().map(entry).collect();
    Ok(answer(StatusCode::OK, &Value::from(listed)))
}

/// The settings that a plugin knows
#[utoipa::path(get, path = "/connector-plugins/{plugin}/config", operation_id = "getPluginConfig", tag = "plugins",
    params(
        ("plugin", description = "The plugin's class, or its simple name"),
        ("version" = Option<String>, Query, description = "A version, or a range of versions as Maven writes it"),
    ),
    responses(
        (status = 200, description = "The definition of every setting", body = Vec<ConfigKeyInfo>),
        (status = 400, description = "The plugin is there in another version, or the version cannot be read", body = ErrorMessage),
        (status = 404, description = "There is no such plugin", body = ErrorMessage),
        (status = 500, description = "The class is one below which others are, and cannot be made", body = ErrorMessage),
    ))]
pub async fn config(State(rest): App, Path(name): Path<String>, Query(params): Params) -> Answer {
    let herder = rest.herder().await?;
    let Some(mut known) = herder.plugins.known(&name) else {
        if !herder.plugins.below_base(&name).is_empty() {
            return Err(RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "Instantiation error"));
        }
        return Err(RestError::not_found(format!("Unknown plugin {name}.")));
    };
    if let Some(version) = param(&params, "version") {
        let refused = |why: String| RestError::new(StatusCode::BAD_REQUEST, why);
        match Requirement::parse(version) {
            Err(_) => return Err(refused(format!("Invalid version specification: {version}"))),
            Ok(required) => {
                known = known.fitting(&herder.plugins, required.as_ref()).ok_or_else(|| {
                    let required = required.map(|r| r.to_string()).unwrap_or_default();
                    refused(no_version(known.class(), &required, &known.versions(&herder.plugins)))
                })?;
            }
        }
    }
    let definitions: Vec<Definition> = herder.definitions(&known);
    written(&definitions)
}

/// Check a configuration
///
/// Every setting with its value, what could be given, and what is wrong with it.
#[utoipa::path(put, path = "/connector-plugins/{plugin}/config/validate", operation_id = "validateConfig", tag = "plugins",
    params(("plugin", description = "The plugin's class, or its simple name")),
    request_body = GivenConfig,
    responses(
        (status = 200, description = "The configuration is checked; `error_count` says whether it is right", body = ConfigInfos),
        (status = 400, description = "`connector.class` is not the plugin of the path", body = ErrorMessage),
        (status = 500, description = "The body is no JSON object of strings, or names no connector", body = ErrorMessage),
    ))]
pub async fn validate(State(rest): App, Path(name): Path<String>, body: JsonObject) -> Answer {
    let herder = rest.herder().await?;
    let map = body.required("the connector's settings")?;
    let nulls: Vec<String> = map.iter().filter(|(_, v)| v.is_null()).map(|(k, _)| k.clone()).collect();
    let config = body::config(map)?;
    if let Some(included) = config.get("connector.class")
        && !meant(&herder, included, &name)
    {
        let message = format!("Included connector type {included} does not match request type {name}");
        return Err(RestError::new(StatusCode::BAD_REQUEST, message));
    }
    match herder.validate_given(&config, &nulls).await {
        Ok(infos) => written(&infos),
        // Connect validates on another thread, whose refusals come back as its own failure.
        Err(HerderError::BadRequest(why)) => {
            let message = format!("org.apache.kafka.connect.runtime.rest.errors.BadRequestException: {why}");
            Err(RestError::new(StatusCode::INTERNAL_SERVER_ERROR, message))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the class in the body is that of the path: its end, `Connector` aside. Our short names stand for their class.
fn meant(herder: &Herder, included: &str, name: &str) -> bool {
    let alias =
        |class: &'_ str| -> String { class.strip_suffix("Connector").filter(|a| !a.is_empty()).unwrap_or(class).to_owned() };
    if alias(included).ends_with(&alias(name)) {
        return true;
    }
    let short = |wanted: &str, other: &str| {
        let named = |p: &Known| matches!(p, Known::Plugin(p) if p.info().name == wanted);
        herder
            .plugins
            .of_any_kind(wanted)
            .iter()
            .any(|p| named(p) && herder.plugins.of_any_kind(other).iter().any(|o| o.class() == p.class()))
    };
    short(included, name) || short(name, included)
}
