//! What happens to every request before it finds its resource, and to its answer after: the path is tidied, `OPTIONS` is
//! answered, who accepts no JSON is refused, and the answer gets the headers for other origins and those configured.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::error::RestError;
use crate::config::http::{Action, CrossOrigin, HeaderContent, ResponseHeader};

/// The order in which `OPTIONS` names methods.
const METHODS: &[&str] = &["HEAD", "POST", "DELETE", "GET", "OPTIONS", "PUT", "PATCH"];

/// What goes before resources.
#[derive(Clone)]
pub struct Entry {
    pub routes: Router,
    /// None: pages of other origins get nothing that would let them read an answer.
    pub cross_origin: Option<Arc<CrossOrigin>>,
    pub headers: Arc<[ResponseHeader]>,
}

impl Entry {
    pub fn router(self) -> Router {
        Router::new().fallback(enter).with_state(self)
    }
}

/// How long a browser may remember what it was allowed, in seconds.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("60");

async fn enter(State(entry): State<Entry>, request: Request) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = answer(entry.routes, request).await;
    let headers = response.headers_mut();
    if let Some(allowed) = &entry.cross_origin {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin.filter(|o| o.to_str().is_ok_and(|o| allowed.allows(o))) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if preflight {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allowed.methods.clone());
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
                headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
            }
        }
    }
    for ResponseHeader { action, name, content } in entry.headers.iter() {
        let value = match content {
            HeaderContent::Text(value) => value.clone(),
            HeaderContent::DateIn(millis) => date_in(*millis),
        };
        match action {
            Action::Add => drop(headers.append(name, value)),
            Action::Set => drop(headers.insert(name, value)),
        }
    }
    response
}

fn date_in(millis: i64) -> HeaderValue {
    let (now, distance) = (SystemTime::now(), Duration::from_millis(millis.unsigned_abs()));
    let moved = if millis < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
    HeaderValue::from_str(&httpdate::fmt_http_date(moved.unwrap_or(now))).expect("a date is ASCII")
}

async fn answer(routes: Router, mut request: Request) -> Response {
    let path = request.uri().path();
    if let Some(what) = wrong_with(path) {
        return RestError::new(StatusCode::BAD_REQUEST, format!("The path {path} {what}")).into_response();
    }
    tidy(request.uri_mut());
    if request.method() == Method::OPTIONS {
        let text = accepts(request.headers(), "text/plain");
        return match methods(routes, request).await {
            Ok(allowed) => options(&allowed, text),
            Err(refused) => refused,
        };
    }
    let json = accepts(request.headers(), "application/json");
    if !json && !speaks_text(request.uri().path()) {
        let method = request.method().clone();
        return match methods(routes, request).await {
            Ok(allowed) if allowed.contains(&method.as_str()) => RestError::bare(StatusCode::NOT_ACCEPTABLE).into_response(),
            Ok(allowed) => not_allowed(&allowed),
            Err(refused) => refused,
        };
    }
    match routes.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// Why a path is refused before it is looked for, as Connect's HTTP server refuses it: it can name nothing.
fn wrong_with(path: &str) -> Option<&'static str> {
    let whole = |escape: &str| escape.as_bytes().get(..2).is_some_and(|e| e.iter().all(u8::is_ascii_hexdigit));
    if !path.split('%').skip(1).all(whole) {
        return Some("has a % that two hexadecimal digits do not follow");
    }
    match percent_encoding::percent_decode_str(path).decode_utf8() {
        Err(_) => Some("is not UTF-8"),
        Ok(decoded) if decoded.chars().any(|c| c.is_ascii_control()) => Some("has a control character"),
        Ok(_) => None,
    }
}

/// Resources that are given to whoever asks, whatever they accept: Prometheus asks for its own formats, a browser for pages.
fn speaks_text(path: &str) -> bool {
    matches!(path, "/metrics" | "/docs" | "/openapi.json")
}

/// `/connectors/` is `/connectors`.
fn tidy(uri: &mut Uri) {
    let path = uri.path();
    if path.len() > 1 && path.ends_with('/') && !path.ends_with("//") {
        let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
        if let Ok(tidied) = format!("{}{query}", &path[..path.len() - 1]).parse() {
            *uri = tidied;
        }
    }
}

/// The methods of a resource. No resource has `OPTIONS` of its own, so the router names those that it has.
async fn methods(routes: Router, mut request: Request) -> Result<Vec<&'static str>, Response> {
    *request.method_mut() = Method::OPTIONS;
    *request.body_mut() = Body::empty();
    let answer = match routes.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    if answer.status() != StatusCode::METHOD_NOT_ALLOWED {
        return Err(answer);
    }
    let named = answer.headers().get(header::ALLOW).and_then(|a| a.to_str().ok()).unwrap_or_default();
    let has = |method: &str| method == "OPTIONS" || named.split(',').any(|n| n.trim() == method);
    Ok(METHODS.iter().copied().filter(|m| has(m)).collect())
}

fn options(allowed: &[&str], text: bool) -> Response {
    let allow = [(header::ALLOW, allowed.join(","))];
    if text {
        (StatusCode::OK, allow, [(header::CONTENT_TYPE, "text/plain")], allowed.join(", ")).into_response()
    } else {
        (StatusCode::OK, allow).into_response()
    }
}

fn not_allowed(allowed: &[&str]) -> Response {
    let mut response = RestError::bare(StatusCode::METHOD_NOT_ALLOWED).into_response();
    if let Ok(allow) = HeaderValue::from_str(&allowed.join(",")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Whether the client takes this type; without `Accept`, it takes all.
fn accepts(headers: &HeaderMap, mime: &str) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|a| a.to_str().ok()).flat_map(|a| a.split(','));
    let mut ranges = ranges.map(str::trim).filter(|r| !r.is_empty()).peekable();
    let kind = mime.split('/').next().unwrap_or_default();
    ranges.peek().is_none()
        || ranges.any(|range| {
            let name = range.split(';').next().unwrap_or_default().trim();
            name == "*/*" || name.eq_ignore_ascii_case(mime) || name.strip_suffix("/*") == Some(kind)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_accept() {
        let takes = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            accepts(&headers, "application/json")
        };
        for accept in ["*/*", "application/*", "text/html, application/json;q=0.9", "Application/JSON", ""] {
            assert!(takes(accept), "{accept}");
        }
        for accept in ["text/plain", "application/vnd.api+json"] {
            assert!(!takes(accept), "{accept}");
        }
        assert!(accepts(&HeaderMap::new(), "application/json"));
    }

    #[test]
    fn one_slash_at_the_end_is_no_other_path() {
        let tidied = |path: &str| {
            let mut uri: Uri = path.parse().unwrap();
            tidy(&mut uri);
            uri.to_string()
        };
        assert_eq!(tidied("/connectors/?expand=info"), "/connectors?expand=info");
        assert_eq!((tidied("/"), tidied("/a//")), ("/".into(), "/a//".into()));
    }
}
