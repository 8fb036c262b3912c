//! Errors of guests into the host's, and of capabilities into the guest's.

use std::time::Duration;

use millrace_record::{ErrorKind, TaskError};

use crate::bindings::types::{Error, ErrorKind as Kind};

/// What is kept of an error: it goes into the task's status, into logs and into the headers of dead letters.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 << 10;
pub(crate) const CODE_BYTES_MAX: usize = 200;
const ATTRIBUTES_MAX: usize = 50;

/// Cuts a text to at most so many bytes.
pub(crate) fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.shrink_to_fit();
    }
}

/// A guest's error value.
pub(crate) fn lift(mut error: Error) -> TaskError {
    cut(&mut error.message, MESSAGE_BYTES_MAX);
    cut(&mut error.code, CODE_BYTES_MAX);
    error.attributes.truncate(ATTRIBUTES_MAX);
    for (name, value) in &mut error.attributes {
        cut(name, CODE_BYTES_MAX);
        cut(value, MESSAGE_BYTES_MAX);
    }
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

/// The host's own error, as a capability answers with it.
pub(crate) fn lower(error: TaskError) -> Error {
    let kind = match error.kind {
        ErrorKind::Retriable => Kind::Retriable,
        ErrorKind::Config => Kind::Config,
        ErrorKind::Restart => Kind::Restart,
        _ => Kind::Fatal,
    };
    Error { field: error.field, attributes: error.attributes, ..new(kind, error.code, error.message) }
}

/// A dry run writes nothing outside.
pub(crate) fn dry_run(capability: &str, what: impl std::fmt::Display) -> Error {
    let message =
        format!("this is a dry run, which writes nothing outside: {what} is refused; run the connector itself for that");
    new(Kind::Fatal, format!("{capability}.dry-run"), message)
}

/// The configuration is at fault, at this key.
pub(crate) fn config(code: &str, field: Option<&str>, message: impl Into<String>) -> Error {
    Error { field: field.map(str::to_owned), ..new(Kind::Config, code, message) }
}
