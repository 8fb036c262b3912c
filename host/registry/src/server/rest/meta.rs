//! The registry itself, and its contexts.

use std::sync::Arc;

use axum::extract::{Path, State as Of};
use axum::http::StatusCode;
use serde_json::json;

use super::request::Params;
use super::{Answer, Answered};
use crate::server::error::ApiError;
use crate::server::{Command, Registry};

pub async fn root() -> Answer {
    Answer(json!({}))
}

pub async fn contexts(Of(registry): Of<Arc<Registry>>, params: Params) -> Answered {
    registry.view(|state| Ok(Answer(json!(params.page(state.contexts().into_iter())?))))
}

pub async fn delete_context(Of(registry): Of<Arc<Registry>>, Path(context): Path<String>) -> Result<StatusCode, ApiError> {
    let context = context.trim_matches(':').to_owned();
    registry.change(Command::DeleteContext { context }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn id(Of(registry): Of<Arc<Registry>>) -> Answer {
    let clusters = json!({"kafka-cluster": registry.identity.kafka_cluster, "schema-registry-cluster": "schema-registry"});
    Answer(json!({"scope": {"path": [], "clusters": clusters}, "id": ""}))
}

pub async fn version(Of(registry): Of<Arc<Registry>>) -> Answer {
    Answer(json!({"version": registry.identity.version, "commitId": ""}))
}

pub async fn deployment() -> Answer {
    Answer(json!({"attributes": []}))
}
