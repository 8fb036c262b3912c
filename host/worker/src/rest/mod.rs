//! Kafka Connect's REST API: its paths, status codes, bodies and error bodies.
//!
//! The listener answers from the first moment: `GET /health` says that the worker is starting, every other request waits
//! for the worker, up to Connect's request time-out.

mod body;
mod connectors;
mod error;
mod metrics;
mod plugins;
mod root;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde_json::Value;
use tokio::sync::watch;

pub use error::RestError;

use crate::herder::Herder;

/// Connect's request time-out.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// The largest request body.
const BODY_BYTES_MAX: usize = 8 << 20;

/// How far the worker is.
#[derive(Clone)]
pub enum Stage {
    Starting {
        /// What it is doing, for whoever waits.
        what: String,
        /// Of the log, once it has answered.
        cluster_id: Option<String>,
    },
    Ready(Arc<Herder>),
    Stopping,
}

impl Stage {
    pub fn starting(what: &str) -> Self {
        Stage::Starting { what: what.to_owned(), cluster_id: None }
    }
}

#[derive(Clone)]
pub struct Rest {
    pub stage: watch::Receiver<Stage>,
    /// `http://host:port`, for `Location`.
    pub url: Arc<str>,
}

impl Rest {
    /// The herder, once the worker is ready.
    async fn herder(&self) -> Result<Arc<Herder>, RestError> {
        match self.past(|s| !matches!(s, Stage::Starting { .. })).await {
            Stage::Ready(herder) => Ok(herder),
            Stage::Stopping => Err(RestError::new(StatusCode::SERVICE_UNAVAILABLE, "The worker is stopping")),
            Stage::Starting { what, .. } => {
                let message = format!("Request timed out. The worker is currently {what}");
                Err(RestError::new(StatusCode::INTERNAL_SERVER_ERROR, message))
            }
        }
    }
}

impl Rest {
    /// The stage that the worker is at once `reached` holds, or the time is up.
    async fn past(&self, reached: impl FnMut(&Stage) -> bool) -> Stage {
        let mut stage = self.stage.clone();
        let waited = tokio::time::timeout(REQUEST_TIMEOUT, stage.wait_for(reached)).await;
        match waited {
            Ok(Ok(stage)) => stage.clone(),
            Ok(Err(_)) => Stage::Stopping,
            Err(_) => self.stage.borrow().clone(),
        }
    }

    /// The id of the log's cluster, which is known before the worker is ready.
    async fn cluster_id(&self) -> Result<String, RestError> {
        let known = |s: &Stage| !matches!(s, Stage::Starting { cluster_id: None, .. });
        match self.past(known).await {
            Stage::Starting { cluster_id: Some(id), .. } => Ok(id),
            _ => Ok(self.herder().await?.cluster_id.clone()),
        }
    }
}

pub fn router(rest: Rest) -> Router {
    Router::new()
        .route("/", get(root::info))
        .route("/health", get(root::health))
        .route("/connectors", get(connectors::list).post(connectors::create))
        .route("/connectors/{connector}", get(connectors::get).delete(connectors::delete))
        .route("/connectors/{connector}/config", get(connectors::config).put(connectors::put_config))
        .route("/connectors/{connector}/status", get(connectors::status))
        .route("/connectors/{connector}/restart", post(connectors::restart))
        .route("/connectors/{connector}/pause", put(connectors::pause))
        .route("/connectors/{connector}/resume", put(connectors::resume))
        .route("/connectors/{connector}/stop", put(connectors::stop))
        .route("/connectors/{connector}/offsets", get(connectors::offsets))
        .route("/connectors/{connector}/topics", get(connectors::topics))
        .route("/connectors/{connector}/tasks", get(connectors::tasks))
        .route("/connectors/{connector}/tasks/{task}/status", get(connectors::task_status))
        .route("/connectors/{connector}/tasks/{task}/restart", post(connectors::restart_task))
        .route("/connector-plugins", get(plugins::list))
        .route("/connector-plugins/{plugin}/config", get(plugins::config))
        .route("/connector-plugins/{plugin}/config/validate", put(plugins::validate))
        .method_not_allowed_fallback(|| async { RestError::bare(StatusCode::METHOD_NOT_ALLOWED) })
        .fallback(|| async { RestError::bare(StatusCode::NOT_FOUND) })
        .layer(middleware::from_fn(negotiate))
        // Prometheus asks for its own formats, not for JSON.
        .route("/metrics", get(metrics::page))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(rest)
}

/// Refuses who accepts no JSON, as Connect does.
async fn negotiate(request: Request, next: Next) -> Response {
    if accepts_json(request.headers()) {
        next.run(request).await
    } else {
        RestError::bare(StatusCode::NOT_ACCEPTABLE).into_response()
    }
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let mut accept = headers.get_all(header::ACCEPT).iter().filter_map(|a| a.to_str().ok()).flat_map(|a| a.split(',')).peekable();
    accept.peek().is_none()
        || accept.any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            matches!(range, "*/*" | "application/*" | "application/json")
        })
}

/// A JSON answer.
fn json(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response {
    (status, Body::empty()).into_response()
}

type Answer = Result<Response, RestError>;
type App = State<Rest>;
