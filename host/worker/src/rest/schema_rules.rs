//! `/schemas/monitor/rules`: how changes of schemas are told, by patterns of subjects.

use std::sync::Arc;

use axum::extract::{FromRequest, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::openapi::schemas::{self, ErrorMessage};
use super::{Answer, App, Rest, RestError, empty, json as answer};
use crate::registry::monitor::SchemaMonitor;
use crate::registry::monitor::rules::{RULES_MAX, Rule};

pub(super) fn bad(message: impl Into<String>) -> RestError {
    RestError::new(StatusCode::BAD_REQUEST, message)
}

/// The monitor, once it knows what earlier workers left.
pub(super) async fn monitor(rest: &Rest) -> Result<Arc<SchemaMonitor>, RestError> {
    let monitor = rest.herder().await?.monitor.clone();
    let monitor =
        monitor.ok_or_else(|| RestError::not_found("The schema monitor is off: set \"schema.monitor.enabled=true\""))?;
    let loaded = tokio::time::timeout(super::REQUEST_TIMEOUT, monitor.store.loaded()).await;
    let late = |_| RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "Request timed out. The changes of schemas are being read");
    loaded.map_err(late)?;
    Ok(monitor)
}

/// A body that is a JSON object, or none. What is not is a 400, beyond what Connect has an answer for.
pub struct JsonBody(pub Option<Map<String, Value>>);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = RestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RestError> {
        let content = request.headers().get(header::CONTENT_TYPE).and_then(|c| c.to_str().ok()).unwrap_or_default();
        let json = content.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|e| RestError::new(e.status(), format!("cannot read the request's body: {}", e.body_text())))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(JsonBody(None));
        }
        if !json {
            return Err(RestError::bare(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(map)) => Ok(JsonBody(Some(map))),
            Ok(Value::Null) => Ok(JsonBody(None)),
            Ok(_) => Err(bad("The request's body is not a JSON object")),
            Err(error) => Err(bad(format!("The request's body is not valid JSON: {error}"))),
        }
    }
}

/// The rules of the schema monitor
#[utoipa::path(get, path = "/schemas/monitor/rules", operation_id = "listSchemaRules", tag = "schemas",
    responses(
        (status = 200, description = "All rules, by their patterns", body = schemas::SchemaRules),
        (status = 404, description = "The schema monitor is off", body = ErrorMessage),
    ))]
pub async fn list(State(rest): App) -> Answer {
    let rules = monitor(&rest).await?.store.rules();
    let rules: Vec<Rule> = rules.0.values().map(Rule::shown).collect();
    Ok(answer(StatusCode::OK, &json!({"rules": rules})))
}

/// Set the rule of a pattern
///
/// It takes the place of the pattern's rule, where there is one; a webhook's secret that comes as `[hidden]` stays.
#[utoipa::path(put, path = "/schemas/monitor/rules", operation_id = "putSchemaRule", tag = "schemas",
    request_body = Rule,
    responses(
        (status = 200, description = "The pattern's rule is another now", body = Rule),
        (status = 201, description = "The pattern has a rule now", body = Rule),
        (status = 400, description = "The rule is wrong; the message says where", body = ErrorMessage),
        (status = 404, description = "The schema monitor is off", body = ErrorMessage),
        (status = 500, description = "The log does not take it: nothing has changed", body = ErrorMessage),
    ))]
pub async fn put(State(rest): App, JsonBody(body): JsonBody) -> Answer {
    let body = body.ok_or_else(|| bad("The request has no body: send the rule as a JSON object with a \"pattern\""))?;
    let rule: Rule = serde_json::from_value(Value::Object(body)).map_err(|e| bad(format!("The rule is wrong: {e}")))?;
    rule.check().map_err(|why| bad(format!("The rule is wrong: {why}")))?;
    let monitor = monitor(&rest).await?;
    let rules = monitor.store.rules();
    let before = rules.0.get(&rule.pattern);
    if before.is_none() && rules.0.len() >= RULES_MAX {
        return Err(bad(format!("There are {RULES_MAX} rules, the most that there may be: delete one first")));
    }
    let rule = rule.with_secrets_of(before).map_err(|why| bad(format!("The rule is wrong: {why}")))?;
    let put = monitor.store.put_rule(&rule.pattern, Some(rule.clone())).await;
    let replaced = put.map_err(|e| RestError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    tracing::info!(pattern = rule.pattern, "rule of the schema monitor set");
    let status = if replaced.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(answer(status, &json!(rule.shown())))
}

/// Delete the rule of a pattern
#[utoipa::path(delete, path = "/schemas/monitor/rules", operation_id = "deleteSchemaRule", tag = "schemas",
    params(("pattern" = String, Query, description = "The rule's pattern, as it was set")),
    responses(
        (status = 204, description = "The pattern has no rule any more"),
        (status = 400, description = "No pattern is given", body = ErrorMessage),
        (status = 404, description = "The pattern has no rule, or the schema monitor is off", body = ErrorMessage),
        (status = 500, description = "The log does not take it: nothing has changed", body = ErrorMessage),
    ))]
pub async fn delete(State(rest): App, RawQuery(given): RawQuery) -> Answer {
    let given = super::schema_changes::parameters(given, &["pattern"])?;
    let pattern = given.into_iter().next().map(|(_, value)| value).filter(|v| !v.is_empty());
    let pattern = pattern.ok_or_else(|| bad("No rule is named: set the query parameter pattern"))?;
    let monitor = monitor(&rest).await?;
    if !monitor.store.rules().0.contains_key(&pattern) {
        return Err(RestError::not_found(format!("There is no rule with the pattern {pattern}")));
    }
    let deleted = monitor.store.put_rule(&pattern, None).await;
    deleted.map_err(|e| RestError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    tracing::info!(pattern, "rule of the schema monitor deleted");
    Ok(empty(StatusCode::NO_CONTENT))
}
