//! `GET /` and `GET /health`.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::openapi::schemas::{ServerInfo, WorkerStatus};
use super::{Answer, App, Stage, json as answer};
use crate::herder::Herder;
use crate::plugins::VERSION;
use crate::storage::watch::{ANSWER, away};

/// The commit that the binary was built from, where the build knew it.
const COMMIT: &str = match option_env!("MILLRACE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Which worker this is
#[utoipa::path(get, path = "/", operation_id = "getRoot", tag = "worker",
    responses(
        (status = 200, description = "The worker", body = ServerInfo),
    ))]
pub async fn info(State(rest): App) -> Answer {
    let cluster_id = rest.cluster_id().await?;
    Ok(answer(StatusCode::OK, &json!({"version": VERSION, "commit": COMMIT, "kafka_cluster_id": cluster_id})))
}

/// What is wrong with the log: what was seen of it last, or else what it does now.
async fn trouble(herder: &Herder) -> Option<String> {
    if let Some(trouble) = herder.log_watch.trouble() {
        return Some(trouble.cause);
    }
    let answers = herder.statuses.log_answers(ANSWER).await;
    (!answers).then(|| herder.log_watch.trouble().map_or_else(|| away(ANSWER), |t| t.cause))
}

/// How the worker is
#[utoipa::path(get, path = "/health", operation_id = "getHealth", tag = "worker",
    responses(
        (status = 200, description = "It is well", body = WorkerStatus),
        (status = 500, description = "Kafka does not answer, or the embedded log refuses records", body = WorkerStatus),
        (status = 503, description = "It is starting or stopping", body = WorkerStatus),
    ))]
pub async fn health(State(rest): App) -> Answer {
    let stage = rest.stage.borrow().clone();
    Ok(match stage {
        Stage::Ready(herder) => match trouble(&herder).await {
            Some(message) => answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"status": "unhealthy", "message": message})),
            None => answer(
                StatusCode::OK,
                &json!({"status": "healthy", "message": "Worker has completed startup and is ready to handle requests."}),
            ),
        },
        Stage::Starting { what, .. } => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"status": "starting", "message": format!("Worker is still starting up. The worker is currently {what}")}),
        ),
        Stage::Stopping => {
            answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "unhealthy", "message": "Worker is stopping."}))
        }
    })
}
