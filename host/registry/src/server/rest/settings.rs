//! Compatibility and modes, of all and of one subject or context.

use std::sync::Arc;

use axum::extract::{Path, State as Of};
use serde_json::{Value, json};

use super::request::{JsonObject, Params};
use super::{Answer, Answered};
use crate::server::error::ApiError;
use crate::server::mode::Mode;
use crate::server::subject::Subject;
use crate::server::{Command, Registry};

pub async fn config(Of(registry): Of<Arc<Registry>>) -> Answer {
    Answer(registry.view(|state| json!(state.config_for(None))))
}

pub async fn config_of(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params) -> Answered {
    let scope = Subject::scope(&name)?;
    registry.view(|state| match (state.config(scope.as_ref()), &scope) {
        (Some(config), Some(_)) if !params.flag("defaultToGlobal") => Ok(Answer(json!(config))),
        (None, Some(subject)) if !params.flag("defaultToGlobal") => Err(ApiError::no_config(subject)),
        _ => Ok(Answer(json!(state.config_for(scope.as_ref())))),
    })
}

pub async fn set_config(Of(registry): Of<Arc<Registry>>, body: JsonObject) -> Answered {
    registry.change(Command::SetConfig { scope: None, request: body.0 }).await.map(Answer)
}

pub async fn set_config_of(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, body: JsonObject) -> Answered {
    let scope = Subject::scope(&name)?;
    registry.change(Command::SetConfig { scope, request: body.0 }).await.map(Answer)
}

pub async fn delete_config(Of(registry): Of<Arc<Registry>>) -> Answered {
    registry.change(Command::DeleteConfig { scope: None }).await.map(Answer)
}

pub async fn delete_config_of(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>) -> Answered {
    let scope = Subject::scope(&name)?;
    registry.change(Command::DeleteConfig { scope }).await.map(Answer)
}

pub async fn mode(Of(registry): Of<Arc<Registry>>) -> Answer {
    Answer(registry.view(|state| json!({"mode": state.mode_for(None).name()})))
}

pub async fn mode_of(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params) -> Answered {
    let scope = Subject::scope(&name)?;
    registry.view(|state| match (state.mode(scope.as_ref()), &scope) {
        (None, Some(subject)) if !params.flag("defaultToGlobal") => Err(ApiError::no_mode(subject)),
        (Some(mode), Some(_)) if !params.flag("defaultToGlobal") => Ok(Answer(json!({"mode": mode.name()}))),
        _ => Ok(Answer(json!({"mode": state.mode_for(scope.as_ref()).name()}))),
    })
}

async fn change_mode(registry: &Registry, scope: Option<Subject>, params: &Params, body: &JsonObject) -> Answered {
    let mode = body.0.get("mode").and_then(Value::as_str).unwrap_or_default();
    let mode: Mode = mode.parse().map_err(|()| ApiError::invalid_mode())?;
    registry.change(Command::SetMode { scope, mode, force: params.flag("force") }).await.map(Answer)
}

pub async fn set_mode(Of(registry): Of<Arc<Registry>>, params: Params, body: JsonObject) -> Answered {
    change_mode(&registry, None, &params, &body).await
}

pub async fn set_mode_of(
    Of(registry): Of<Arc<Registry>>,
    Path(name): Path<String>,
    params: Params,
    body: JsonObject,
) -> Answered {
    change_mode(&registry, Subject::scope(&name)?, &params, &body).await
}

pub async fn delete_mode(Of(registry): Of<Arc<Registry>>, params: Params) -> Answered {
    registry.change(Command::DeleteMode { scope: None, recursive: params.flag("recursive") }).await.map(Answer)
}

pub async fn delete_mode_of(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params) -> Answered {
    let scope = Subject::scope(&name)?;
    registry.change(Command::DeleteMode { scope, recursive: params.flag("recursive") }).await.map(Answer)
}
