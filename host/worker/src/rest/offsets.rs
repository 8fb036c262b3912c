//! `/connectors/C/offsets`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use millrace_record::SourceOffset;
use serde_json::{Map, Value, json};

use super::body::{JsonObject, only};
use super::openapi::schemas::{self, ErrorMessage};
use super::{Answer, App, RestError, json as answer};
use crate::herder::Altered;

/// How far a connector is
#[utoipa::path(get, path = "/connectors/{connector}/offsets", operation_id = "getOffsets", tag = "offsets",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "Its offsets, partition by partition", body = schemas::ConnectorOffsets),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
    ))]
pub async fn list(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    let state = herder.state(&name)?;
    let offsets = herder.offsets_of(&name, &state.config).await?;
    let offsets: Vec<_> = offsets.into_iter().map(|o| json!({"partition": o.partition, "offset": o.offset})).collect();
    Ok(answer(StatusCode::OK, &json!({"offsets": offsets})))
}

/// Change offsets of a stopped connector
///
/// A null offset forgets the partition's. Partitions that are not named keep theirs.
#[utoipa::path(patch, path = "/connectors/{connector}/offsets", operation_id = "alterOffsets", tag = "offsets",
    params(("connector", description = "The connector's name")),
    request_body = schemas::ConnectorOffsets,
    responses(
        (status = 200, description = "They are changed", body = schemas::Message),
        (status = 400, description = "The connector is not stopped, or no offsets are given", body = ErrorMessage),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
        (status = 500, description = "The body is not the JSON that is asked for, or the connector's plugin or Kafka refuses", body = ErrorMessage),
    ))]
pub async fn alter(State(rest): App, Path(name): Path<String>, body: JsonObject) -> Answer {
    let offsets = parse(body.required("the \"offsets\" to set")?)?;
    let message = rest.herder().await?.alter_offsets(&name, Altered::Some(offsets)).await?;
    Ok(answer(StatusCode::OK, &json!({"message": message})))
}

/// Forget all offsets of a stopped connector
#[utoipa::path(delete, path = "/connectors/{connector}/offsets", operation_id = "resetOffsets", tag = "offsets",
    params(("connector", description = "The connector's name")),
    responses(
        (status = 200, description = "They are forgotten", body = schemas::Message),
        (status = 400, description = "The connector is not stopped", body = ErrorMessage),
        (status = 404, description = "There is no such connector", body = ErrorMessage),
        (status = 500, description = "The connector's plugin or Kafka refuses", body = ErrorMessage),
    ))]
pub async fn reset(State(rest): App, Path(name): Path<String>) -> Answer {
    let message = rest.herder().await?.alter_offsets(&name, Altered::Reset).await?;
    Ok(answer(StatusCode::OK, &json!({"message": message})))
}

fn wrong(what: &str, value: &Value) -> RestError {
    let found = match value {
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
        Value::String(_) => "text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
    };
    RestError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Cannot deserialize {what} from {found}"))
}

/// `{"offsets": [{"partition": {}, "offset": {}}]}`; of a partition that is named twice the last counts.
fn parse(mut body: Map<String, Value>) -> Result<Vec<SourceOffset>, RestError> {
    only(&body, &["offsets"])?;
    let given = match body.remove("offsets").unwrap_or_default() {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        other => return Err(wrong("\"offsets\", a list", &other)),
    };
    let mut offsets: Vec<SourceOffset> = Vec::with_capacity(given.len());
    for item in given {
        let Value::Object(mut item) = item else {
            if item.is_null() {
                continue;
            }
            return Err(wrong("an element of \"offsets\", an object with \"partition\" and \"offset\",", &item));
        };
        only(&item, &["partition", "offset"])?;
        let mut part = |key: &str| match item.remove(key).unwrap_or_default() {
            value @ (Value::Object(_) | Value::Null) => Ok(value),
            other => Err(wrong(&format!("\"{key}\", an object,"), &other)),
        };
        let (partition, offset) = (part("partition")?, part("offset")?);
        offsets.retain(|o| o.partition != partition);
        offsets.push(SourceOffset { partition, offset });
    }
    if offsets.is_empty() {
        let message = "Partitions / offsets need to be provided for an alter offsets request";
        return Err(RestError::new(StatusCode::BAD_REQUEST, message));
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: Value) -> Result<usize, String> {
        let Value::Object(map) = body else { unreachable!() };
        parse(map).map(|o| o.len()).map_err(|e| format!("{e:?}"))
    }

    #[test]
    fn bodies_are_read_or_refused() {
        let twice =
            json!({"offsets": [{"partition": {"f": "a"}, "offset": {"p": 1}}, {"partition": {"f": "a"}, "offset": null}]});
        assert_eq!(said(twice), Ok(1));
        for (body, says) in [
            (json!({}), "need to be provided"),
            (json!({"offsets": []}), "need to be provided"),
            (json!({"offsets": {}}), "from an object"),
            (json!({"offsets": [7]}), "from a number"),
            (json!({"offsets": [{"partition": [], "offset": {}}]}), "from an array"),
            (json!({"offsets": [{"x": 1}]}), "Unrecognized field"),
            (json!({"offset": []}), "Unrecognized field"),
        ] {
            let error = said(body).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
