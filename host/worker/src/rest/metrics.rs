//! `GET /metrics`: Kafka Connect's metrics for Prometheus.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{App, RestError, Stage};
use crate::metrics;

/// Kafka Connect's metrics
///
/// Never waits: a worker that is not ready has nothing to show, and a scrape has a short time-out.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "worker",
    responses(
        (status = 200, description = "The metrics as Prometheus reads them", body = String, content_type = "text/plain"),
        (status = 503, description = "The worker is starting or stopping", body = String, content_type = "text/plain"),
    ))]
pub async fn page(State(rest): App) -> Response {
    let stage = rest.stage.borrow().clone();
    match stage {
        // Of a thousand connectors it is some megabytes: others need not wait meanwhile.
        Stage::Ready(herder) => match tokio::task::spawn_blocking(move || metrics::page(&herder)).await {
            Ok(page) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response(),
            Err(error) => {
                RestError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the page could not be made: {error}")).into_response()
            }
        },
        Stage::Starting { what, .. } => not_ready(&format!("the worker is {what}")),
        Stage::Stopping => not_ready("the worker is stopping"),
    }
}

fn not_ready(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{why}\n")).into_response()
}
