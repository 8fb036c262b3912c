//! A page that shows the OpenAPI document and sends requests to the worker it came from. It loads nothing from elsewhere.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const PAGE: &str = include_str!("page.html");
/// The page runs its own script and talks to its own worker, and nothing else; and no other page may frame it.
const POLICY: &str =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'";

/// This API, to read and to try
///
/// A page that shows the OpenAPI document and sends requests to this worker.
#[utoipa::path(get, path = "/docs", operation_id = "getDocs", tag = "worker",
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub async fn docs() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (StatusCode::OK, headers, PAGE).into_response()
}
