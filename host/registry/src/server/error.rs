//! What the registry answers where it cannot do what was asked: Confluent's codes and words, which clients look at.

use std::fmt::Display;

use super::subject::Subject;
use crate::Reference;

/// An error as REST shows it: the first three digits of most codes are the status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub code: i32,
    pub message: String,
}

impl ApiError {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        ApiError { code, message: message.into() }
    }

    pub fn status(&self) -> u16 {
        let status = if self.code >= 1_000 { self.code / 100 } else { self.code };
        u16::try_from(status).unwrap_or(500)
    }

    pub fn subject_not_found(subject: &Subject) -> Self {
        Self::new(40401, format!("Subject '{subject}' not found."))
    }
    pub fn version_not_found(version: impl Display) -> Self {
        Self::new(40402, format!("Version {version} not found."))
    }
    pub fn schema_not_found() -> Self {
        Self::new(40403, "Schema not found")
    }
    pub fn id_not_found(id: impl Display) -> Self {
        Self::new(40403, format!("Schema {id} not found"))
    }
    pub fn subject_deleted(subject: &Subject) -> Self {
        Self::new(40404, format!("Subject '{subject}' was soft deleted.Set permanent=true to delete permanently"))
    }
    pub fn subject_not_deleted(subject: &Subject) -> Self {
        Self::new(40405, format!("Subject '{subject}' was not deleted first before being permanently deleted"))
    }
    pub fn version_deleted(subject: &Subject, version: i32) -> Self {
        let why = "was soft deleted.Set permanent=true to delete permanently";
        Self::new(40406, format!("Subject '{subject}' Version {version} {why}"))
    }
    pub fn version_not_deleted(subject: &Subject, version: i32) -> Self {
        let why = "was not deleted first before being permanently deleted";
        Self::new(40407, format!("Subject '{subject}' Version {version} {why}"))
    }
    pub fn no_config(subject: &Subject) -> Self {
        Self::new(40408, format!("Subject '{subject}' does not have subject-level compatibility configured"))
    }
    pub fn no_mode(subject: &Subject) -> Self {
        Self::new(40409, format!("Subject '{subject}' does not have subject-level mode configured"))
    }
    pub fn context_not_found(context: &str) -> Self {
        Self::new(404, format!("Context '{context}' not found."))
    }
    pub fn incompatible(subject: &Subject, details: &[String]) -> Self {
        let details = details.join(", ");
        let message = format!(
            "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{details}]"
        );
        Self::new(40901, message)
    }
    pub fn invalid_schema(schema: &str, kind: &str, references: &[Reference], why: impl Display) -> Self {
        let shown = |r: &Reference| format!("{{name='{}', subject='{}', version={}}}", r.name, r.subject, r.version);
        let references = references.iter().map(shown).collect::<Vec<_>>().join(", ");
        Self::new(42201, format!("Invalid schema {schema} with refs [{references}] of type {kind}, details: {why}"))
    }
    pub fn invalid_schema_type(kind: &str) -> Self {
        Self::new(42201, format!("Invalid schema type {kind}, set one of JSON, PROTOBUF, AVRO"))
    }
    pub fn invalid_version(version: &str) -> Self {
        let allowed = "Allowed values are between [1, 2^31-1] and the string \"latest\"";
        Self::new(42202, format!("The specified version '{version}' is not a valid version id. {allowed}"))
    }
    pub fn invalid_level() -> Self {
        let levels = "none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive";
        Self::new(42203, format!("Invalid compatibility level. Valid values are {levels}"))
    }
    pub fn invalid_mode() -> Self {
        Self::new(42204, "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, and IMPORT")
    }
    pub fn not_permitted(message: impl Into<String>) -> Self {
        Self::new(42205, message)
    }
    pub fn referenced(subject: &Subject, version: i32) -> Self {
        let key = format!("{{magic=1,keytype=SCHEMA,subject={subject},version={version}}}");
        Self::new(42206, format!("One or more references exist to the schema {key}."))
    }
    pub fn id_mismatch(id: i32) -> Self {
        Self::new(42207, format!("Overwrite new schema with id {id} is not permitted."))
    }
    pub fn invalid_subject(subject: &str) -> Self {
        Self::new(42208, format!("The specified subject '{}' is not a valid.", subject.escape_debug()))
    }
    pub fn too_large(why: impl Display) -> Self {
        Self::new(42209, format!("Schema is too large: {why}"))
    }
    pub fn context_not_empty(context: &str) -> Self {
        Self::new(42211, format!("The specified context '{context}' is not empty."))
    }
    pub fn store(why: impl Display) -> Self {
        Self::new(50001, format!("Error in the backend data store: {why}"))
    }
    pub fn timeout(why: impl Display) -> Self {
        Self::new(50002, format!("Operation timed out: {why}"))
    }
    pub fn bad_request(why: impl Display) -> Self {
        Self::new(400, why.to_string())
    }
    pub fn unprocessable(why: impl Display) -> Self {
        Self::new(422, why.to_string())
    }
}
