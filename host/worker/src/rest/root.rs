//! `GET /` and `GET /health`.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;

use super::openapi::schemas::{ServerInfo, WorkerStatus};
use super::{Answer, App, Stage, json as answer};
use crate::plugins::VERSION;

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

/// How long the log may take to answer before the worker counts as unhealthy.
const LOG_ANSWER: Duration = Duration::from_secs(5);

/// How the worker is
#[utoipa::path(get, path = "/health", operation_id = "getHealth", tag = "worker",
    responses(
        (status = 200, description = "It is well", body = WorkerStatus),
        (status = 500, description = "Kafka does not answer", body = WorkerStatus),
        (status = 503, description = "It is starting or stopping", body = WorkerStatus),
    ))]
pub async fn health(State(rest): App) -> Answer {
    let stage = rest.stage.borrow().clone();
    Ok(match stage {
        Stage::Ready(herder) if !herder.statuses.log_answers(LOG_ANSWER).await => {
            let message = format!(
                "Kafka does not answer within {} s: nothing is written or committed until it does. Check \"bootstrap.servers\" and \
                 that Kafka runs.",
                LOG_ANSWER.as_secs()
            );
            answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"status": "unhealthy", "message": message}))
        }
        Stage::Ready(_) => answer(
            StatusCode::OK,
            &json!({"status": "healthy", "message": "Worker has completed startup and is ready to handle requests."}),
        ),
        Stage::Starting { what, .. } => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"status": "starting", "message": format!("Worker is still starting up. The worker is currently {what}")}),
        ),
        Stage::Stopping => {
            answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "unhealthy", "message": "Worker is stopping."}))
        }
    })
}
