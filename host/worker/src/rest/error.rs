//! The one place where errors become Connect's `{"error_code": 409, "message": "..."}`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::herder::HerderError;

/// An error as REST shows it.
#[derive(Debug)]
pub struct RestError {
    status: StatusCode,
    message: String,
    /// Connect's container errors come without a content type.
    bare: bool,
}

impl RestError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        RestError { status, message: message.into(), bare: false }
    }

    /// `HTTP 404 Not Found` and its like, from before a request has found its resource.
    pub fn bare(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        RestError { status, message: format!("HTTP {} {reason}", status.as_u16()), bare: true }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }
}

impl From<HerderError> for RestError {
    fn from(error: HerderError) -> Self {
        let status = match &error {
            HerderError::NotFound(_) => StatusCode::NOT_FOUND,
            HerderError::AlreadyExists(_) | HerderError::Conflict(_) => StatusCode::CONFLICT,
            HerderError::BadRequest(_) => StatusCode::BAD_REQUEST,
            HerderError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            HerderError::Storage(_) | HerderError::Provider(_) | HerderError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        RestError::new(status, error.to_string())
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let body = json!({"error_code": self.status.as_u16(), "message": self.message}).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if self.bare {
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        response
    }
}
