//! Schemas by their ids.

use std::sync::Arc;

use axum::extract::{Path, State as Of};
use serde_json::{Map, Value, json};

use super::request::Params;
use super::{Answer, Answered, Text, format};
use crate::SchemaType;
use crate::server::Registry;
use crate::server::error::ApiError;
use crate::server::record::Content;
use crate::server::state::{State, Version};
use crate::server::subject::{DEFAULT_CONTEXT, Prefix, Subject};

/// What a schema is, without where it is. AVRO goes without saying.
pub fn described(content: &Content, into: &mut Map<String, Value>) {
    if content.of != SchemaType::Avro {
        into.insert("schemaType".into(), json!(content.of));
    }
    if !content.references.is_empty() {
        into.insert("references".into(), json!(content.references));
    }
    for (name, value) in [("metadata", &content.metadata), ("ruleSet", &content.rule_set)] {
        if let Some(value) = value {
            into.insert(name.into(), value.clone());
        }
    }
    into.insert("schema".into(), content.text.as_ref().into());
}

/// A version in the format that the request asks for.
pub fn formatted(registry: &Registry, state: &State, params: &Params, subject: &Subject, number: i32, of: &Version) -> Answered {
    let shown = format::shown(registry, state, subject, &of.schema, params)?;
    Ok(Answer(version(subject, number, of, &shown)))
}

/// A version, as it is answered wherever one is; `shown` is its schema as the client wants it.
pub fn version(subject: &Subject, number: i32, version: &Version, shown: &Content) -> Value {
    let mut map = Map::new();
    map.insert("subject".into(), subject.to_string().into());
    map.insert("version".into(), number.into());
    map.insert("id".into(), version.id.into());
    map.insert("guid".into(), version.schema.guid().into());
    described(shown, &mut map);
    if version.deleted {
        map.insert("deleted".into(), true.into());
    }
    Value::Object(map)
}

fn parse_id(id: &str) -> Result<i32, ApiError> {
    // No path of the API has anything but a number there.
    id.parse().map_err(|_| ApiError::new(404, "HTTP 404 Not Found"))
}

/// An id is of a context: the one that `subject` names, else the default one, else whichever has this subject.
fn context_of<'a>(state: &'a State, id: i32, subject: Option<&'a str>) -> Result<(Subject, &'a Arc<Content>), ApiError> {
    let subject = Subject::parse(subject.unwrap_or_default());
    let in_context = |context: &str| Some((Subject::context(context), state.by_id(context, id)?));
    let mut found = in_context(&subject.context);
    if found.is_none() && subject.context == DEFAULT_CONTEXT && !subject.name.is_empty() {
        let with_name = state.subjects().filter(|(s, versions)| s.name == subject.name && versions.values().any(|v| v.id == id));
        found = with_name.map(|(s, _)| in_context(&s.context)).next().flatten();
    }
    found.ok_or_else(|| ApiError::id_not_found(id))
}

pub async fn by_id(Of(registry): Of<Arc<Registry>>, Path(id): Path<String>, params: Params) -> Answered {
    let id = parse_id(&id)?;
    registry.view(|state| {
        let (at, content) = context_of(state, id, params.get("subject"))?;
        let mut map = Map::new();
        if params.flag("fetchMaxId") {
            map.insert("maxId".into(), state.max_id(&at.context).into());
        }
        map.insert("guid".into(), content.guid().into());
        described(&*format::shown(&registry, state, &at, content, &params)?, &mut map);
        Ok(Answer(Value::Object(map)))
    })
}

pub async fn text_by_id(Of(registry): Of<Arc<Registry>>, Path(id): Path<String>, params: Params) -> Result<Text, ApiError> {
    let id = parse_id(&id)?;
    registry.view(|state| {
        let (at, content) = context_of(state, id, params.get("subject"))?;
        Ok(Text(format::shown(&registry, state, &at, content, &params)?.text.clone()))
    })
}

/// The versions of an id that the request asks for.
fn versions<T: PartialEq>(
    registry: &Registry,
    id: &str,
    params: &Params,
    each: impl Fn(&Subject, i32) -> T,
) -> Result<Vec<T>, ApiError> {
    let (id, deleted) = (parse_id(id)?, params.flag("deleted"));
    registry.view(|state| {
        let (Subject { context, .. }, _) = context_of(state, id, params.get("subject"))?;
        let wanted = params.get("subject").map(Subject::parse).map(|s| s.name).filter(|name| !name.is_empty());
        let versions = state.versions_of_id(&context, id);
        let versions = versions.filter(|(_, _, v)| deleted || !v.deleted);
        let versions = versions.filter(|(s, _, _)| wanted.as_ref().is_none_or(|w| *w == s.name));
        let mut found: Vec<T> = versions.map(|(subject, number, _)| each(subject, number)).collect();
        found.dedup();
        params.page(found.into_iter())
    })
}

pub async fn subjects_of_id(Of(registry): Of<Arc<Registry>>, Path(id): Path<String>, params: Params) -> Answered {
    Ok(Answer(json!(versions(&registry, &id, &params, |subject, _| subject.to_string())?)))
}

pub async fn versions_of_id(Of(registry): Of<Arc<Registry>>, Path(id): Path<String>, params: Params) -> Answered {
    let one = |subject: &Subject, number| json!({"subject": subject.to_string(), "version": number});
    Ok(Answer(json!(versions(&registry, &id, &params, one)?)))
}

/// The contexts that have it, and the ids that it has there.
fn ids(state: &State, guid: &str) -> Result<Vec<(String, i32)>, ApiError> {
    let digest = uuid::Uuid::parse_str(guid).map(uuid::Uuid::into_bytes).map_err(|_| ApiError::id_not_found(guid))?;
    let ids = state.contexts().into_iter().filter_map(|c| Some((c.to_owned(), state.id_of(c, digest)?)));
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() { Err(ApiError::id_not_found(guid)) } else { Ok(ids) }
}

pub async fn by_guid(Of(registry): Of<Arc<Registry>>, Path(guid): Path<String>, params: Params) -> Answered {
    registry.view(|state| {
        let (context, id) = ids(state, &guid)?.swap_remove(0);
        let content = state.by_id(&context, id).ok_or_else(|| ApiError::id_not_found(&guid))?;
        let mut map = Map::from_iter([("guid".to_owned(), guid.clone().into())]);
        described(&*format::shown(&registry, state, &Subject::context(&context), content, &params)?, &mut map);
        Ok(Answer(Value::Object(map)))
    })
}

pub async fn ids_of_guid(Of(registry): Of<Arc<Registry>>, Path(guid): Path<String>) -> Answered {
    let ids = registry.view(|state| ids(state, &guid))?;
    Ok(Answer(ids.into_iter().map(|(context, id)| json!({"context": context, "id": id})).collect()))
}

pub async fn types() -> Answer {
    Answer(json!(["JSON", "PROTOBUF", "AVRO"]))
}

pub async fn list(Of(registry): Of<Arc<Registry>>, params: Params) -> Answered {
    let prefix = Prefix::parse(params.get("subjectPrefix"));
    let (deleted, latest) = (params.flag("deleted"), params.flag("latestOnly"));
    registry.view(|state| {
        let subjects = state.subjects().filter(|(subject, _)| prefix.takes(subject));
        let versions = subjects.flat_map(|(subject, versions)| {
            let shown = versions.iter().rev().filter(|(_, v)| deleted || !v.deleted);
            let mut shown: Vec<_> = shown.take(if latest { 1 } else { usize::MAX }).collect();
            shown.reverse();
            shown.into_iter().map(move |(number, v)| (subject, *number, v))
        });
        let page = params.page(versions)?;
        Ok(Answer(page.into_iter().map(|(subject, number, v)| version(subject, number, v, &v.schema)).collect()))
    })
}
