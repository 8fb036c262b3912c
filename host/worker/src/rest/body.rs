//! Request bodies. Connect answers 500 for JSON that it cannot read; so do we, in words.

use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use millrace_record::RawConfig;
use serde_json::{Map, Value};

use super::RestError;
use crate::storage::configs::TargetState;

/// A body that is a JSON object, or none: no body, or `null`.
pub struct JsonObject(Option<Map<String, Value>>);

fn unreadable(message: impl Into<String>) -> RestError {
    RestError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

impl JsonObject {
    /// The object; `what` is what the request is about.
    pub fn required(self, what: &str) -> Result<Map<String, Value>, RestError> {
        self.0.ok_or_else(|| unreadable(format!("The request has no body: send {what} as a JSON object")))
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = RestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RestError> {
        let content = request.headers().get(header::CONTENT_TYPE).and_then(|c| c.to_str().ok()).unwrap_or_default();
        let json = content.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
        let named = request.headers().contains_key(header::CONTENT_TYPE);
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|e| RestError::new(e.status(), format!("cannot read the request's body: {}", e.body_text())))?;
        // Without a body there is nothing of the wrong type.
        if !json && (named || !bytes.is_empty()) {
            return Err(RestError::bare(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(JsonObject(None));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(map)) => Ok(JsonObject(Some(map))),
            Ok(Value::Null) => Ok(JsonObject(None)),
            Ok(_) => Err(unreadable("The request's body is not a JSON object")),
            Err(error) => Err(unreadable(format!("The request's body is not valid JSON: {error}"))),
        }
    }
}

/// Refuses fields that the request does not have.
pub fn only(map: &Map<String, Value>, known: &[&str]) -> Result<(), RestError> {
    match map.keys().find(|k| !known.contains(&k.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(unreadable(format!(
            "Unrecognized field \"{unknown}\", not marked as ignorable (known properties: \"{}\")",
            known.join("\", \"")
        ))),
    }
}

/// What Connect takes for text: text, numbers and booleans as they are written. None: null.
pub fn text(key: &str, value: Value) -> Result<Option<String>, RestError> {
    Ok(Some(match value {
        Value::String(s) => s,
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Null => return Ok(None),
        Value::Array(_) | Value::Object(_) => {
            let what = if value.is_array() { "Array" } else { "Object" };
            return Err(unreadable(format!(
                "Cannot deserialize value of type `java.lang.String` from {what} value: \"{key}\" must be a string"
            )));
        }
    }))
}

/// Settings, some of them null.
pub fn settings(map: Map<String, Value>) -> Result<Vec<(String, Option<String>)>, RestError> {
    map.into_iter().map(|(key, value)| Ok((key.clone(), text(&key, value)?))).collect()
}

/// A configuration; a setting that is null is left out.
pub fn config(map: Map<String, Value>) -> Result<RawConfig, RestError> {
    Ok(settings(map)?.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

/// `POST /connectors`.
#[derive(Debug, PartialEq)]
pub struct CreateRequest {
    pub name: String,
    pub config: RawConfig,
    pub initial_state: Option<TargetState>,
}

impl CreateRequest {
    pub fn parse(body: JsonObject) -> Result<Self, RestError> {
        let mut map = body.required("the connector's \"name\" and \"config\"")?;
        only(&map, &["config", "name", "initial_state"])?;
        let name = text("name", map.remove("name").unwrap_or_default())?.unwrap_or_default().trim().to_owned();
        let initial_state = match text("initial_state", map.remove("initial_state").unwrap_or_default())? {
            None => None,
            Some(s) => Some(match s.to_ascii_uppercase().as_str() {
                "RUNNING" => TargetState::Started,
                "PAUSED" => TargetState::Paused,
                "STOPPED" => TargetState::Stopped,
                _ => return Err(unreadable(format!("Cannot understand \"initial_state\" {s}: set RUNNING, PAUSED or STOPPED"))),
            }),
        };
        let config = match map.remove("config") {
            None | Some(Value::Null) => {
                return Err(unreadable("The request has no \"config\": send the connector's settings as an object of strings"));
            }
            Some(Value::Object(map)) => self::config(map)?,
            Some(_) => return Err(unreadable("Cannot deserialize \"config\": it must be an object of strings")),
        };
        Ok(CreateRequest { name, config, initial_state })
    }
}
