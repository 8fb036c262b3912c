//! Subjects and their versions: registering, looking up, deleting.

use std::sync::Arc;

use axum::extract::{Path, State as Of};
use serde_json::{Value, json};

use super::request::{JsonObject, Params};
use super::{Answer, Answered, Text, format, schemas};
use crate::server::command::VersionId;
use crate::server::error::ApiError;
use crate::server::mode::Mode;
use crate::server::register::{self, NewSchema};
use crate::server::state::{State, Version};
use crate::server::subject::{Prefix, Subject};
use crate::server::{Command, Registry};

/// The subject that a path means.
fn named(state: &State, name: &str) -> Result<Subject, ApiError> {
    Ok(state.resolved(Subject::valid(name)?))
}

pub async fn list(Of(registry): Of<Arc<Registry>>, params: Params) -> Answered {
    let prefix = Prefix::parse(params.get("subjectPrefix"));
    let (deleted, only) = (params.flag("deleted"), params.deleted_only());
    registry.view(|state| {
        let subjects = state.subjects().filter(|(subject, versions)| {
            let live = versions.values().any(|v| !v.deleted);
            prefix.takes(subject) && if only { !live } else { live || deleted }
        });
        Ok(Answer(json!(params.page(subjects.map(|(subject, _)| subject.to_string()))?)))
    })
}

pub async fn look_up(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params, body: JsonObject) -> Answered {
    let schema = body.schema()?;
    let (normalize, deleted) = (params.flag("normalize"), params.flag("deleted"));
    apart(registry, schema.text.len(), move |registry| {
        registry.view(|state| {
            let subject = named(state, &name)?;
            let normalize = normalize || state.config_for(Some(&subject)).normalize.unwrap_or_default();
            if !state.versions(&subject).is_some_and(|v| v.values().any(|v| deleted || !v.deleted)) {
                return Err(ApiError::subject_not_found(&subject));
            }
            let found = register::find(state, &registry.texts, &subject, &schema, normalize, deleted)?;
            let (number, version) = found.ok_or_else(ApiError::schema_not_found)?;
            schemas::formatted(registry, state, &params, &subject, number, version)
        })
    })
    .await
}

pub async fn register(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params, body: JsonObject) -> Answered {
    let subject = registry.view(|state| named(state, &name))?;
    let (schema, normalize) = (Arc::new(body.schema()?), params.flag("normalize"));
    // Most registrations are of what is registered.
    let (known_as, known) = (subject.clone(), schema.clone());
    let known = move |registry: &Registry| Ok(registered(registry, &known_as, &known, normalize));
    if let Some(known) = apart(registry.clone(), schema.text.len(), known).await? {
        return Ok(Answer(known));
    }
    registry.change(Command::Register { subject, schema, normalize }).await.map(Answer)
}

/// Whatever stands in the way is told by the writer, who knows the latest.
fn registered(registry: &Registry, subject: &Subject, schema: &NewSchema, normalize: bool) -> Option<Value> {
    registry.view(|state| {
        if schema.id.is_some() || schema.version.is_some() || state.mode_for(Some(subject)) != Mode::ReadWrite {
            return None;
        }
        let normalize = normalize || state.config_for(Some(subject)).normalize.unwrap_or_default();
        let (number, version) = register::find(state, &registry.texts, subject, schema, normalize, false).ok()??;
        Some(register::registered(number, version.id, &version.schema))
    })
}

/// Schemas from this size on are parsed on a thread where they hold up nobody else.
const LARGE: usize = 16 << 10;

/// Does what may take its time with a schema of `size` bytes.
pub async fn apart<T: Send + 'static>(
    registry: Arc<Registry>,
    size: usize,
    work: impl FnOnce(&Registry) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if size < LARGE {
        return work(&registry);
    }
    let done = tokio::task::spawn_blocking(move || work(&registry)).await;
    done.unwrap_or_else(|_| Err(ApiError::store("the schema could not be worked on; see the worker's log")))
}

pub async fn delete(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params) -> Answered {
    // Who deletes under an alias hardly means the other subject.
    let subject = Subject::valid(&name)?;
    registry.change(Command::DeleteSubject { subject, permanent: params.flag("permanent") }).await.map(Answer)
}

pub async fn versions(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params) -> Answered {
    let (deleted, only, negative) = (params.flag("deleted"), params.deleted_only(), params.flag("deletedAsNegative"));
    registry.view(|state| {
        let subject = named(state, &name)?;
        let versions = state.versions(&subject).into_iter().flatten();
        let versions = versions.filter(|(_, v)| if only { v.deleted } else { !v.deleted || deleted || negative });
        let mut versions = versions.map(|(number, v)| if negative && v.deleted { -number } else { *number }).peekable();
        if versions.peek().is_none() {
            return Err(ApiError::subject_not_found(&subject));
        }
        Ok(Answer(json!(params.page(versions)?)))
    })
}

/// The version that a path means.
fn find<'a>(state: &'a State, name: &str, version: &str, deleted: bool) -> Result<(Subject, i32, &'a Version), ApiError> {
    let wanted = VersionId::parse(version)?;
    let subject = named(state, name)?;
    let versions = state.versions(&subject).filter(|v| v.values().any(|v| deleted || !v.deleted));
    let versions = versions.ok_or_else(|| ApiError::subject_not_found(&subject))?;
    let mut shown = versions.iter().filter(|(_, v)| deleted || !v.deleted);
    let found = match wanted {
        VersionId::Latest => shown.next_back(),
        VersionId::Number(number) => shown.find(|(n, _)| **n == number),
    };
    let (number, version) = found.ok_or_else(|| ApiError::version_not_found(version))?;
    Ok((subject, *number, version))
}

pub async fn version(Of(registry): Of<Arc<Registry>>, Path((name, version)): Path<(String, String)>, params: Params) -> Answered {
    registry.view(|state| {
        let (subject, number, version) = find(state, &name, &version, params.flag("deleted"))?;
        schemas::formatted(&registry, state, &params, &subject, number, version)
    })
}

pub async fn text(
    Of(registry): Of<Arc<Registry>>,
    Path((name, version)): Path<(String, String)>,
    params: Params,
) -> Result<Text, ApiError> {
    registry.view(|state| {
        let (subject, _, version) = find(state, &name, &version, params.flag("deleted"))?;
        Ok(Text(format::shown(&registry, state, &subject, &version.schema, &params)?.text.clone()))
    })
}

pub async fn referenced_by(
    Of(registry): Of<Arc<Registry>>,
    Path((name, version)): Path<(String, String)>,
    params: Params,
) -> Answered {
    registry.view(|state| {
        let (subject, number, _) = find(state, &name, &version, params.flag("deleted"))?;
        let referrers = state.referrers(&subject, number).filter(|(_, _, v)| params.flag("deleted") || !v.deleted);
        let mut ids: Vec<i32> = referrers.map(|(_, _, v)| v.id).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(Answer(json!(params.page(ids.into_iter())?)))
    })
}

/// The newest version whose metadata has all these properties.
pub async fn latest_with_metadata(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params) -> Answered {
    let wanted: Vec<_> = params.all("key").zip(params.all("value")).collect();
    registry.view(|state| {
        let subject = named(state, &name)?;
        let has = |v: &Version| {
            let properties = v.schema.metadata.as_ref().and_then(|m| m.get("properties"));
            wanted.iter().all(|(key, value)| properties.and_then(|p| p.get(*key)).and_then(Value::as_str) == Some(*value))
        };
        let versions = state.versions(&subject).ok_or_else(|| ApiError::subject_not_found(&subject))?;
        let mut versions = versions.iter().rev().filter(|(_, v)| params.flag("deleted") || !v.deleted);
        let (number, version) = versions.find(|(_, v)| has(v)).ok_or_else(ApiError::schema_not_found)?;
        schemas::formatted(&registry, state, &params, &subject, *number, version)
    })
}

pub async fn delete_version(
    Of(registry): Of<Arc<Registry>>,
    Path((name, version)): Path<(String, String)>,
    params: Params,
) -> Answered {
    let version = VersionId::parse(&version)?;
    let subject = Subject::valid(&name)?;
    registry.change(Command::DeleteVersion { subject, version, permanent: params.flag("permanent") }).await.map(Answer)
}
