//! Errors of guests into the host's, and of capabilities into the guest's.

use std::time::Duration;

use millrace_record::{ErrorKind, TaskError};

use crate::bindings::types::{Error, ErrorKind as Kind};

/// A guest's error value.
pub(crate) fn lift(error: Error) -> TaskError {
    let kind = match error.kind {
        Kind::Retriable => ErrorKind::Retriable,
        Kind::Fatal => ErrorKind::Fatal,
        Kind::Config => ErrorKind::Config,
        Kind::Restart => ErrorKind::Restart,
    };
    TaskError {
        kind,
        code: error.code,
        message: error.message,
        retry_after: error.retry_after_ms.map(Duration::from_millis),
        field: error.field,
        attributes: error.attributes,
    }
}

/// An error that a capability answers with.
pub(crate) fn new(kind: Kind, code: impl Into<String>, message: impl Into<String>) -> Error {
    Error { kind, code: code.into(), message: message.into(), retry_after_ms: None, field: None, attributes: Vec::new() }
}

/// The configuration is at fault, at this key.
pub(crate) fn config(code: &str, field: Option<&str>, message: impl Into<String>) -> Error {
    Error { field: field.map(str::to_owned), ..new(Kind::Config, code, message) }
}
