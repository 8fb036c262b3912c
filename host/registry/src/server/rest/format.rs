//! `format` and `referenceFormat`: a stored schema in the text that the client asks for.

use std::sync::Arc;

use super::request::Params;
use crate::ParsedSchema;
use crate::server::Registry;
use crate::server::error::ApiError;
use crate::server::record::Content;
use crate::server::state::State;
use crate::server::subject::Subject;

/// The schema as it is to be answered; `at` is where its references are looked up. A format that is not known, or is of another
/// type of schema, changes nothing: so clients that know more can ask.
pub fn shown(
    registry: &Registry,
    state: &State,
    at: &Subject,
    content: &Arc<Content>,
    params: &Params,
) -> Result<Arc<Content>, ApiError> {
    let text = text(registry, state, at, content, params.get("format").unwrap_or_default())?;
    // Confluent's client for Python writes the name in its own way.
    let references = params.get("referenceFormat").or_else(|| params.get("reference_format"));
    let qualified = references.is_some_and(|f| f.eq_ignore_ascii_case("qualified")) && !content.references.is_empty();
    if text.is_none() && !qualified {
        return Ok(content.clone());
    }
    let mut shown = Content::clone(content);
    shown.text = text.unwrap_or(shown.text);
    if qualified {
        for reference in &mut shown.references {
            reference.subject = at.beside(&reference.subject).qualified();
        }
    }
    Ok(Arc::new(shown))
}

/// None where the stored text is what was asked for.
fn text(registry: &Registry, state: &State, at: &Subject, content: &Content, format: &str) -> Result<Option<Arc<str>>, ApiError> {
    let format = format.to_ascii_lowercase();
    if !["resolved", "ignore_extensions", "serialized"].contains(&format.as_str()) {
        return Ok(None);
    }
    let read = registry.texts.of(state, at, content);
    let read = read.map_err(|why| ApiError::store(format!("the schema cannot be read, ask for it without \"format\": {why}")))?;
    let text = match (&read.schema, format.as_str()) {
        (ParsedSchema::Avro(schema), "resolved") => schema.resolved(),
        (ParsedSchema::Protobuf(schema), "ignore_extensions") => schema.without_extensions(),
        (ParsedSchema::Protobuf(schema), "serialized") => schema.serialized(),
        _ => return Ok(None),
    };
    Ok(Some(text.into()))
}
