//! Confluent's REST API: paths, parameters, bodies, content types, and errors as clients know them.

mod associations;
mod compatibility;
mod context;
mod format;
mod meta;
mod request;
mod schemas;
mod settings;
mod subjects;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::Registry;
use super::error::ApiError;

/// What the API is spoken in, the one that is answered by preference first.
const TYPES: [&str; 3] = ["application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json"];
/// How large a request may be; the log takes less.
const BODY_MAX: usize = 16 << 20;

/// The whole API.
pub fn router(registry: Arc<Registry>) -> Router {
    let routes = Router::new()
        .route("/", get(meta::root).post(meta::root))
        .route("/schemas", get(schemas::list))
        .route("/schemas/types", get(schemas::types))
        .route("/schemas/ids/{id}", get(schemas::by_id))
        .route("/schemas/ids/{id}/schema", get(schemas::text_by_id))
        .route("/schemas/ids/{id}/subjects", get(schemas::subjects_of_id))
        .route("/schemas/ids/{id}/versions", get(schemas::versions_of_id))
        .route("/schemas/guids/{guid}", get(schemas::by_guid))
        .route("/schemas/guids/{guid}/ids", get(schemas::ids_of_guid))
        .route("/subjects", get(subjects::list))
        .route("/subjects/{subject}", post(subjects::look_up).delete(subjects::delete))
        .route("/subjects/{subject}/metadata", get(subjects::latest_with_metadata))
        .route("/subjects/{subject}/versions", get(subjects::versions).post(subjects::register))
        .route("/subjects/{subject}/versions/{version}", get(subjects::version).delete(subjects::delete_version))
        .route("/subjects/{subject}/versions/{version}/schema", get(subjects::text))
        .route("/subjects/{subject}/versions/{version}/referencedby", get(subjects::referenced_by))
        .route("/compatibility/subjects/{subject}/versions", post(compatibility::all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(compatibility::one))
        .route("/config", get(settings::config).put(settings::set_config).delete(settings::delete_config))
        .route("/config/{subject}", get(settings::config_of).put(settings::set_config_of).delete(settings::delete_config_of))
        .route("/mode", get(settings::mode).put(settings::set_mode).delete(settings::delete_mode))
        .route("/mode/{subject}", get(settings::mode_of).put(settings::set_mode_of).delete(settings::delete_mode_of))
        .route("/associations", post(associations::create).put(associations::create_or_update))
        .route("/associations/subjects/{subject}", get(associations::of_subject))
        .route("/associations/resources/{namespace}/{name}", get(associations::of_name))
        .route(
            "/associations/resources/{namespace}",
            get(associations::of_id).put(associations::create_or_update_of).delete(associations::delete),
        )
        .route("/contexts", get(meta::contexts))
        .route("/contexts/{context}", delete(meta::delete_context))
        .route("/v1/metadata/id", get(meta::id))
        .route("/v1/metadata/version", get(meta::version))
        .route("/v1/metadata/deployment", get(meta::deployment))
        .fallback(async || bare(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || bare(StatusCode::METHOD_NOT_ALLOWED))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(registry.clone());
    Router::new().fallback(enter).with_state(Entry { routes, registry })
}

#[derive(Clone)]
struct Entry {
    routes: Router,
    registry: Arc<Registry>,
}

/// Before a request finds its resource, and after its answer is made.
async fn enter(State(entry): State<Entry>, mut request: Request) -> Response {
    let content_type = accepted(request.headers());
    let mut response = match content_type {
        None => bare(StatusCode::NOT_ACCEPTABLE).into_response(),
        Some(_) => {
            context::unfold(request.uri_mut());
            match entry.registry.ready().await {
                Err(error) => error.into_response(),
                Ok(()) => entry.routes.oneshot(request).await.unwrap_or_else(|never| match never {}),
            }
        }
    };
    // An error that axum words itself is worded again.
    if response.status().is_client_error() && response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t != JSON) {
        response = bare(response.status()).into_response();
    }
    if response.status() != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type.unwrap_or(TYPES[0])));
    }
    response
}

/// Stands for whichever of [`TYPES`] the client accepts.
const JSON: &str = "application/json";

/// The type to answer in; None where the client takes none of them.
fn accepted(headers: &HeaderMap) -> Option<&'static str> {
    let written = headers.get_all(header::ACCEPT).iter().filter_map(|a| a.to_str().ok());
    let ranges: Vec<(&str, f32)> = written
        .flat_map(|a| a.split(','))
        .map(str::trim)
        .filter(|r| !r.is_empty())
        .map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            (name, parts.find_map(|p| p.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0))
        })
        .collect();
    if ranges.is_empty() {
        return Some(TYPES[0]);
    }
    let takes = |of: &str| {
        let fits = |range: &str| range == "*/*" || range == "application/*" || range.eq_ignore_ascii_case(of);
        ranges.iter().filter(|(range, _)| fits(range)).map(|(_, q)| *q).fold(0.0, f32::max)
    };
    let mut best = (0.0, None);
    for of in TYPES {
        if takes(of) > best.0 {
            best = (takes(of), Some(of));
        }
    }
    best.1
}

/// What is answered.
struct Answer(Value);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, JSON)], self.0.to_string()).into_response()
    }
}

/// A schema's text, as it is.
struct Text(Arc<str>);

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, JSON)], Body::from(self.0.as_bytes().to_vec())).into_response()
    }
}

type Answered = Result<Answer, ApiError>;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({"error_code": self.code, "message": self.message});
        (status, Answer(body)).into_response()
    }
}

/// Where it is HTTP that does not fit.
fn bare(status: StatusCode) -> ApiError {
    let reason = status.canonical_reason().unwrap_or_default();
    ApiError::new(i32::from(status.as_u16()), format!("HTTP {} {reason}", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_that_is_answered() {
        let check = |accept: &str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(accepted(&headers), expected, "{accept}");
        };
        assert_eq!(accepted(&HeaderMap::new()), Some(TYPES[0]));
        check("*/*", Some(TYPES[0]));
        check("application/json", Some(TYPES[2]));
        check("application/vnd.schemaregistry+json, application/json; q=0.9", Some(TYPES[1]));
        check(&format!("{}, {}, {}", TYPES[0], TYPES[1], TYPES[2]), Some(TYPES[0]));
        check("text/html", None);
    }
}
