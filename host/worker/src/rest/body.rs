//! Request bodies. Connect answers 500 for JSON that it cannot read; so do we, in words.

use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use millrace_record::RawConfig;
use serde_json::{Map, Value};

use super::RestError;
use crate::storage::configs::TargetState;

/// A body that is a JSON object.
pub struct JsonObject(pub Map<String, Value>);

fn unreadable(message: impl Into<String>) -> RestError {
    RestError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = RestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RestError> {
        let content = request.headers().get(header::CONTENT_TYPE).and_then(|c| c.to_str().ok()).unwrap_or_default();
        if !content.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(RestError::bare(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|e| RestError::new(e.status(), format!("cannot read the request's body: {}", e.body_text())))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(unreadable("The request has no body; send a JSON object"));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(map)) => Ok(JsonObject(map)),
            Ok(_) => Err(unreadable("The request's body is not a JSON object")),
            Err(error) => Err(unreadable(format!("The request's body is not valid JSON: {error}"))),
        }
    }
}

/// A configuration: strings; numbers and booleans are taken as written, null leaves the key out.
pub fn config(map: Map<String, Value>) -> Result<RawConfig, RestError> {
    let mut config = RawConfig::new();
    for (key, value) in map {
        match value {
            Value::String(s) => {
                config.insert(key, s);
            }
            Value::Null => {}
            Value::Number(n) => {
                config.insert(key, n.to_string());
            }
            Value::Bool(b) => {
                config.insert(key, b.to_string());
            }
            Value::Array(_) | Value::Object(_) => {
                let what = if value.is_array() { "Array" } else { "Object" };
                return Err(unreadable(format!(
                    "Cannot deserialize value of type `java.lang.String` from {what} value: setting \"{key}\" must be a string"
                )));
            }
        }
    }
    Ok(config)
}

/// `POST /connectors`.
#[derive(Debug, PartialEq)]
pub struct CreateRequest {
    pub name: String,
    pub config: RawConfig,
    pub initial_state: Option<TargetState>,
}

impl CreateRequest {
    pub fn parse(JsonObject(mut map): JsonObject) -> Result<Self, RestError> {
        let known = ["config", "name", "initial_state"];
        if let Some(unknown) = map.keys().find(|k| !known.contains(&k.as_str())) {
            return Err(unreadable(format!(
                "Unrecognized field \"{unknown}\", not marked as ignorable (3 known properties: \"config\", \"name\", \"initial_state\")"
            )));
        }
        let name = match map.remove("name") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(name)) => name.trim().to_owned(),
            Some(Value::Number(n)) => n.to_string(),
            Some(_) => return Err(unreadable("Cannot deserialize value of type `java.lang.String`: \"name\" must be a string")),
        };
        let config = match map.remove("config") {
            None | Some(Value::Null) => RawConfig::new(),
            Some(Value::Object(map)) => self::config(map)?,
            Some(_) => return Err(unreadable("Cannot deserialize \"config\": it must be an object of strings")),
        };
        let initial_state = match map.remove("initial_state") {
            None | Some(Value::Null) => None,
            Some(Value::String(s)) => Some(match s.to_ascii_uppercase().as_str() {
                "RUNNING" => TargetState::Started,
                "PAUSED" => TargetState::Paused,
                "STOPPED" => TargetState::Stopped,
                _ => return Err(unreadable(format!("Cannot understand \"initial_state\" {s}: set RUNNING, PAUSED or STOPPED"))),
            }),
            Some(_) => return Err(unreadable("Cannot understand \"initial_state\": set RUNNING, PAUSED or STOPPED")),
        };
        Ok(CreateRequest { name, config, initial_state })
    }
}
