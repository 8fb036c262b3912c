//! Parameters and bodies of requests.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde_json::{Map, Value};

use super::{TYPES, bare};
use crate::server::error::ApiError;
use crate::server::register::NewSchema;
use crate::{Reference, SchemaType};

/// Of the query, in its order.
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        query.map(|Query(pairs)| Params(pairs)).map_err(|e| ApiError::bad_request(e.body_text()))
    }
}

impl Params {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Anything but `true` is false.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// Confluent's client for Python writes it in its own way.
    pub fn deleted_only(&self) -> bool {
        self.flag("deletedOnly") || self.flag("deleted_only")
    }

    /// The part of a list that `offset` and `limit` ask for.
    pub fn page<T>(&self, items: impl Iterator<Item = T>) -> Result<Vec<T>, ApiError> {
        let number = |name: &str| match self.get(name).filter(|v| !v.is_empty()) {
            None => Ok(None),
            Some(written) => {
                let wrong = |_| ApiError::bad_request(format!("\"{name}\" is {written}: set a whole number"));
                written.parse::<i64>().map(Some).map_err(wrong)
            }
        };
        let skipped = number("offset")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let taken = number("limit")?.filter(|n| *n > 0).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        Ok(items.skip(skipped).take(taken).collect())
    }
}

/// A body that is a JSON object.
pub struct JsonObject(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content = request.headers().get(header::CONTENT_TYPE).and_then(|c| c.to_str().ok()).unwrap_or_default();
        let content = content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // A page of another origin cannot send these without asking first.
        if !TYPES.contains(&content.as_str()) && content != "application/octet-stream" {
            return Err(bare(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|e| ApiError::new(i32::from(e.status().as_u16()), e.body_text()))?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(map)) => Ok(JsonObject(map)),
            Ok(_) => Err(ApiError::bad_request("The request's body is not a JSON object")),
            Err(error) => Err(ApiError::bad_request(format!("The request's body is not valid JSON: {error}"))),
        }
    }
}

impl JsonObject {
    /// The body of a registration, a look-up or a check.
    pub fn schema(mut self) -> Result<NewSchema, ApiError> {
        let wrong = |name: &str, what: &str| ApiError::unprocessable(format!("Invalid value of \"{name}\": it must be {what}"));
        let of = match self.0.remove("schemaType") {
            None | Some(Value::Null) => SchemaType::Avro,
            Some(Value::String(name)) => {
                let upper = name.to_ascii_uppercase();
                serde_json::from_value(Value::String(upper)).map_err(|_| ApiError::invalid_schema_type(&name))?
            }
            Some(other) => return Err(ApiError::invalid_schema_type(&other.to_string())),
        };
        let text = match self.0.remove("schema") {
            Some(Value::String(text)) => text,
            None | Some(Value::Null) => return Err(ApiError::new(42201, "Empty schema")),
            Some(_) => return Err(wrong("schema", "a string that holds the schema")),
        };
        let references: Vec<Reference> = match self.0.remove("references") {
            None | Some(Value::Null) => Vec::new(),
            Some(list) => {
                let what = "a list of objects with \"name\", \"subject\" and \"version\"";
                serde_json::from_value(list).map_err(|_| wrong("references", what))?
            }
        };
        let mut object = |name: &str| match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value @ Value::Object(_)) => Ok(Some(value)),
            Some(_) => Err(wrong(name, "an object")),
        };
        let (metadata, rule_set) = (object("metadata")?, object("ruleSet")?);
        let mut number = |name: &str| match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_i64().and_then(|n| i32::try_from(n).ok());
                number.map(|n| Some(n).filter(|n| *n > 0)).ok_or_else(|| wrong(name, "a whole number"))
            }
        };
        let (id, version) = (number("id")?, number("version")?);
        Ok(NewSchema { of, text, references, metadata, rule_set, id, version })
    }
}
