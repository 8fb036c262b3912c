//! Registering a schema, and finding one that is registered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::command::{Decision, ids_kept, writable};
use super::compatible::Check;
use super::config::{merged_metadata, merged_rules};
use super::error::ApiError;
use super::mode::Mode;
use super::record::{Content, Record, SchemaRecord};
use super::state::{State, Version};
use super::subject::{DEFAULT_CONTEXT, Subject};
use super::texts::{Text, Texts};
use crate::{ParsedSchema, Reference, SchemaType};

/// A schema as a request gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSchema {
    pub of: SchemaType,
    pub text: String,
    pub references: Vec<Reference>,
    pub metadata: Option<Value>,
    pub rule_set: Option<Value>,
    /// Under IMPORT.
    pub id: Option<i32>,
    pub version: Option<i32>,
}

pub fn record(subject: &Subject, version: i32, id: i32, schema: &Arc<Content>, deleted: bool) -> SchemaRecord {
    SchemaRecord { subject: subject.clone(), version, id, schema: schema.clone(), deleted }
}

fn type_name(of: SchemaType) -> &'static str {
    match of {
        SchemaType::Avro => "AVRO",
        SchemaType::Json => "JSON",
        SchemaType::Protobuf => "PROTOBUF",
    }
}

impl NewSchema {
    /// As `subject` would have it; references to the latest version name it from here on.
    pub fn parse(&self, state: &State, texts: &Texts, subject: &Subject) -> Result<(Arc<Text>, Vec<Reference>), ApiError> {
        let invalid = |why: String| ApiError::invalid_schema(&self.text, type_name(self.of), &self.references, why);
        let mut references = self.references.clone();
        for reference in &mut references {
            match state.reference(subject, reference) {
                Some((_, number, version)) if !version.deleted => reference.version = number,
                _ => {
                    let Reference { name, subject, version } = reference;
                    return Err(invalid(format!(
                        "No schema reference found for subject \"{subject}\" and version {version} (\"{name}\")"
                    )));
                }
            }
        }
        let text = texts.parse(state, subject, self.of, &self.text, &references).map_err(|e| invalid(e.to_string()))?;
        Ok((text, references))
    }

    /// More is asked of a schema that comes to be than of those that are there.
    pub fn check_new(&self, state: &State, subject: &Subject, references: &[Reference]) -> Result<(), ApiError> {
        let invalid = |why: String| ApiError::invalid_schema(&self.text, type_name(self.of), &self.references, why);
        let dependencies = state.dependencies(subject, references).map_err(invalid)?;
        ParsedSchema::parse_new(self.of, &self.text, &dependencies).map(|_| ()).map_err(|e| invalid(e.to_string()))
    }
}

/// The newest version of the subject that is this schema.
pub fn find<'a>(
    state: &'a State,
    texts: &Texts,
    subject: &Subject,
    schema: &NewSchema,
    normalize: bool,
    deleted: bool,
) -> Result<Option<(i32, &'a Version)>, ApiError> {
    // Most who ask have the text as it is stored, of the newest version: nothing needs to be parsed.
    if !normalize
        && let Some((number, newest)) = candidates(state, subject, schema, &schema.references, deleted).next()
        && *newest.schema.text == *schema.text
    {
        return Ok(Some((number, newest)));
    }
    let (text, references) = schema.parse(state, texts, subject)?;
    Ok(same(state, texts, subject, schema, &text, &references, normalize, deleted))
}

/// The versions that may be this schema, whatever their texts are, the newest first.
fn candidates<'a>(
    state: &'a State,
    subject: &Subject,
    schema: &NewSchema,
    references: &[Reference],
    deleted: bool,
) -> impl Iterator<Item = (i32, &'a Version)> {
    let versions = state.versions(subject).into_iter().flatten().rev().filter(move |(_, v)| deleted || !v.deleted);
    let alike = versions.filter(move |(_, v)| {
        let there = &v.schema;
        there.of == schema.of
            && there.references == references
            && (schema.metadata.is_none() || schema.metadata == there.metadata)
            && (schema.rule_set.is_none() || schema.rule_set == there.rule_set)
    });
    alike.map(|(number, version)| (*number, version))
}

#[allow(clippy::too_many_arguments)]
fn same<'a>(
    state: &'a State,
    texts: &Texts,
    subject: &Subject,
    schema: &NewSchema,
    text: &Text,
    references: &[Reference],
    normalize: bool,
    deleted: bool,
) -> Option<(i32, &'a Version)> {
    let candidates = || candidates(state, subject, schema, references, deleted);
    let wanted = text.stored(normalize);
    if let Some(found) = candidates().find(|(_, v)| v.schema.text == *wanted) {
        return Some(found);
    }
    // Texts written by another registry, or before normalization was asked for, differ in form alone.
    let alike = |v: &Version| texts.of(state, subject, &v.schema).is_ok_and(|t| t.stored(normalize) == wanted);
    candidates().find(|(_, v)| alike(v))
}

/// What `POST /subjects/S/versions` answers.
pub fn registered(number: i32, id: i32, schema: &Content) -> Value {
    json!({"id": id, "version": number, "guid": schema.guid()})
}

pub fn decide(
    state: &State,
    texts: &Texts,
    subject: &Subject,
    schema: &NewSchema,
    normalize: bool,
) -> Result<Decision, ApiError> {
    writable(state, Some(subject))?;
    let mode = state.mode_for(Some(subject));
    let placed = schema.id.is_some() || schema.version.is_some();
    if placed != (mode == Mode::Import) {
        let wanted = if placed { "import" } else { "read-write" };
        let Subject { name, context } = subject;
        return Err(ApiError::not_permitted(format!("Subject {name} in context {context} is not in {wanted} mode")));
    }
    let config = state.config_for(Some(subject));
    let normalize = normalize || config.normalize.unwrap_or_default();
    let (text, references) = schema.parse(state, texts, subject)?;
    if !placed && let Some((number, version)) = same(state, texts, subject, schema, &text, &references, normalize, false) {
        return Ok(Decision::known(registered(number, version.id, &version.schema)));
    }
    let before = state.latest(subject).map(|(_, v)| &v.schema);
    let given = schema.metadata.as_ref().or_else(|| before?.metadata.as_ref());
    let metadata = merged_metadata(config.default_metadata.as_ref(), given, config.override_metadata.as_ref());
    let given = schema.rule_set.as_ref().or_else(|| before?.rule_set.as_ref());
    let rule_set = merged_rules(config.default_rule_set.as_ref(), given, config.override_rule_set.as_ref());
    let content = Content { of: schema.of, text: text.stored(normalize).clone(), references, metadata, rule_set };
    if placed {
        return import(state, subject, schema, content);
    }
    schema.check_new(state, subject, &content.references)?;
    let versions: Vec<_> = state.live(subject).collect();
    let check = Check { state, texts, subject, config: &config };
    let reasons = check.messages(&text, content.metadata.as_ref(), &versions);
    if !reasons.is_empty() {
        return Err(ApiError::incompatible(subject, &reasons));
    }
    let id = match state.id_of(&subject.context, content.digest()) {
        Some(id) => id,
        None => next(state.max_id(&subject.context), "id")?,
    };
    let number = next_version(state, subject)?;
    Ok(put(state, subject, number, id, content, Vec::new()))
}

fn next(last: i32, what: &str) -> Result<i32, ApiError> {
    last.checked_add(1).ok_or_else(|| ApiError::store(format!("there is no {what} above {last}")))
}

/// A number is not used again while a deleted version has it.
fn next_version(state: &State, subject: &Subject) -> Result<i32, ApiError> {
    next(state.versions(subject).and_then(|v| v.keys().next_back().copied()).unwrap_or(0), "version")
}

fn put(state: &State, subject: &Subject, number: i32, id: i32, content: Content, mut records: Vec<Record>) -> Decision {
    let answer = registered(number, id, &content);
    if subject.context != DEFAULT_CONTEXT && !state.is_named(&subject.context) {
        records.push(Record::Context { context: subject.context.clone(), exists: true });
    }
    records.push(Record::Schema(record(subject, number, id, &Arc::new(content), false)));
    Decision { records, answer }
}

/// A schema that comes with its id, its version or both, from another registry.
fn import(state: &State, subject: &Subject, schema: &NewSchema, content: Content) -> Result<Decision, ApiError> {
    let id = match schema.id {
        Some(id) => {
            if state.by_id(&subject.context, id).is_some_and(|there| **there != content) {
                return Err(ApiError::id_mismatch(id));
            }
            id
        }
        None => match state.id_of(&subject.context, content.digest()) {
            Some(id) => id,
            None => next(state.max_id(&subject.context), "id")?,
        },
    };
    let number = match schema.version {
        Some(number) => number,
        // The same again is the same.
        None => match state.live(subject).find(|(_, v)| v.id == id) {
            Some((number, _)) => number,
            None => next_version(state, subject)?,
        },
    };
    let mut records = Vec::new();
    match state.versions(subject).and_then(|v| v.get(&number)) {
        Some(there) if there.id == id && *there.schema == content && !there.deleted => {
            return Ok(Decision::known(registered(number, id, &content)));
        }
        Some(there) if !there.deleted => {
            let message = format!("Overwrite new schema with version {number} of subject {subject} is not permitted.");
            return Err(ApiError::not_permitted(message));
        }
        Some(_) => records.push(ids_kept(state, subject)),
        None => {}
    }
    Ok(put(state, subject, number, id, content, records))
}
