//! `/connector-plugins` and below.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use millrace_record::PluginKind;
use millrace_record::convert::BUILT_IN;
use serde_json::{Value, json};

use super::body::{self, JsonObject};
use super::openapi::plugin_schemas::*;
use super::openapi::schemas::{ErrorMessage, GivenConfig};
use super::{Answer, App, RestError, json as answer};
use crate::herder::Definition;
use crate::plugins::{PREDICATES, VERSION, class, kind_name};

/// The plugins that the worker has
#[utoipa::path(get, path = "/connector-plugins", operation_id = "listPlugins", tag = "plugins",
    params(("connectorsOnly" = Option<bool>, Query, description = "Sources and sinks only; true when it is absent")),
    responses(
        (status = 200, description = "The plugins", body = Vec<PluginInfo>),
    ))]
pub async fn list(State(rest): App, Query(params): Query<Vec<(String, String)>>) -> Answer {
    let herder = rest.herder().await?;
    let all = params.iter().any(|(k, v)| k == "connectorsOnly" && v.eq_ignore_ascii_case("false"));
    let entry = |class: &str, kind: &str, version: &str| json!({"class": class, "type": kind, "version": version});
    let plugins = herder.plugins.list().iter().filter(|p| all || p.info().kind != PluginKind::Transform);
    let mut listed: Vec<Value> = plugins.map(|p| entry(class(&**p), kind_name(p.info().kind), &p.info().version)).collect();
    if all {
        listed.extend(BUILT_IN.iter().filter(|b| b.converter).map(|b| entry(b.class, "converter", VERSION)));
        listed.extend(BUILT_IN.iter().filter(|b| b.header).map(|b| entry(b.class, "header_converter", VERSION)));
        listed.extend(PREDICATES.iter().map(|c| entry(c, "predicate", VERSION)));
    }
    Ok(answer(StatusCode::OK, &Value::from(listed)))
}

/// The settings that a plugin knows
#[utoipa::path(get, path = "/connector-plugins/{plugin}/config", operation_id = "getPluginConfig", tag = "plugins",
    params(("plugin", description = "The plugin's class, or its simple name")),
    responses(
        (status = 200, description = "The definition of every setting", body = Vec<ConfigKeyInfo>),
        (status = 404, description = "There is no such plugin", body = ErrorMessage),
    ))]
pub async fn config(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    let plugin = herder.plugins.any(&name).ok_or_else(|| RestError::not_found(format!("Unknown plugin {name}.")))?;
    let own = plugin.info().config.keys.iter().map(Definition::of);
    let definitions = own.chain(herder.common_definitions(plugin.info().kind, &plugin.info().config));
    Ok(answer(StatusCode::OK, &definitions.map(|d| d.json()).collect()))
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
    ))]
pub async fn validate(State(rest): App, Path(name): Path<String>, JsonObject(map): JsonObject) -> Answer {
    let herder = rest.herder().await?;
    let mut config = body::config(map)?;
    let included = config.get("connector.class").map(|c| c.trim().to_owned()).filter(|c| !c.is_empty());
    match &included {
        // The path says which plugin: a body that names none means it.
        None => {
            config.insert("connector.class".into(), name.clone());
        }
        Some(included) if *included != name => {
            let of = |class: &str| {
                let mut config = config.clone();
                config.insert("connector.class".into(), class.to_owned());
                herder.plugin(&config).ok().map(|p| (p.info().kind == PluginKind::Source, p.info().name.clone()))
            };
            if of(included) != of(&name) {
                let message = format!("Included connector type {included} does not match request type {name}");
                return Err(RestError::new(StatusCode::BAD_REQUEST, message));
            }
        }
        Some(_) => {}
    }
    let infos = herder.validate(&config).await?;
    Ok(answer(StatusCode::OK, &infos.json()))
}
