//! Kafka Connect's REST API: its paths, status codes, bodies and error bodies.
//!
//! The listener answers from the first moment: `GET /health` says that the worker is starting, every other request waits
//! for the worker, up to Connect's request time-out.

mod body;
mod connectors;
mod dlq;
mod dlq_records;
pub mod entry;
mod error;
mod grants;
mod loggers;
mod metrics;
mod offsets;
mod openapi;
mod plugins;
mod redrive;
mod root;
mod schema_changes;
mod schema_rules;
mod state;
mod transforms;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::RestError;

use crate::herder::Herder;
use crate::loggers::Loggers;

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
    pub loggers: Arc<Loggers>,
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

/// Every route but those of operators, with the description that its handler carries. A path's methods stand in one
/// `routes!`.
fn routes() -> OpenApiRouter<Rest> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(root::info))
        .routes(routes!(root::health))
        .routes(routes!(connectors::list, connectors::create))
        .routes(routes!(connectors::get, connectors::delete))
        .routes(routes!(connectors::config, connectors::put_config, connectors::patch_config))
        .routes(routes!(connectors::status))
        .routes(routes!(grants::get))
        .routes(routes!(connectors::restart))
        .routes(routes!(connectors::pause))
        .routes(routes!(connectors::resume))
        .routes(routes!(connectors::stop))
        .routes(routes!(offsets::list, offsets::alter, offsets::reset))
        .routes(routes!(state::get, state::reset))
        .routes(routes!(connectors::topics))
        .routes(routes!(connectors::reset_topics))
        .routes(routes!(connectors::tasks))
        .routes(routes!(connectors::task_status))
        .routes(routes!(connectors::restart_task))
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::config))
        .routes(routes!(plugins::validate))
        .routes(routes!(uploads::list, uploads::upload))
        .routes(routes!(uploads::versions))
        .routes(routes!(uploads::delete))
        .routes(routes!(uploads::roll_back))
        .routes(routes!(transforms::dry_run))
        .routes(routes!(dlq::list))
        .routes(routes!(dlq::summary))
        .routes(routes!(dlq::records))
        .routes(routes!(dlq_records::get))
        .routes(routes!(dlq_records::export))
        .routes(routes!(redrive::redrive))
        .routes(routes!(redrive::discard))
        .routes(routes!(redrive::jobs))
        .routes(routes!(redrive::job))
        .routes(routes!(redrive::cancel))
        .routes(routes!(schema_changes::list))
        .routes(routes!(schema_changes::stream))
        .routes(routes!(schema_changes::get))
        .routes(routes!(schema_changes::acknowledge))
        .routes(routes!(schema_rules::list, schema_rules::put, schema_rules::delete))
}

/// The routes of operators, which may have listeners of their own.
fn operators() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(loggers::list)).routes(routes!(loggers::get, loggers::put))
}

/// What is not JSON, for whoever asks whatever they accept: Prometheus asks for its own formats, a browser for a page.
fn pages() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(metrics::page)).routes(routes!(openapi::json)).routes(routes!(openapi::page::docs))
}

/// All resources but those of operators.
pub fn resources() -> Router<Rest> {
    Router::from(routes()).merge(Router::from(pages()))
}

/// The resources of operators, below `/admin`.
pub fn admin() -> Router<Rest> {
    Router::from(operators())
}

/// What one listener serves: resources, with Connect's answers where there is none.
pub fn serve(resources: Router<Rest>, rest: Rest) -> Router {
    resources
        .method_not_allowed_fallback(|| async { RestError::bare(StatusCode::METHOD_NOT_ALLOWED) })
        .fallback(|| async { RestError::bare(StatusCode::NOT_FOUND) })
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::from_fn(to_its_end))
        .with_state(rest)
}

/// What may change something is done to its end, also when whoever asked has hung up: given up half way, a connector would have a
/// configuration in the log and another in the worker until that starts again.
async fn to_its_end(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(answer) => answer,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // With the runtime.
            Err(_) => RestError::new(StatusCode::SERVICE_UNAVAILABLE, "The worker is stopping").into_response(),
        },
    }
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
