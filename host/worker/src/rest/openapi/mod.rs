//! The OpenAPI document of the REST API, generated from the handlers, and a page that shows it.
//!
//! A route is registered with `routes!(module::handler)` in [`super::routes`], which takes path and method from the
//! handler's `#[utoipa::path]`: a route without a description does not compile. Every operation names what is its own; what
//! all have in common (400, 406, 415, 500) is added here.

pub mod dlq_schemas;
pub mod grant_schemas;
pub mod page;
pub mod plugin_schemas;
pub mod redrive_schemas;
pub mod schemas;
#[cfg(test)]
mod tests;
pub mod try_schemas;
pub mod upload_schemas;

use std::sync::LazyLock;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, OpenApi as Document, PathItem, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use schemas::ErrorMessage;

/// The document before it has any path.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millrace REST API",
        description = "Kafka Connect's REST API, as this worker answers it. Every error but those from before a request has \
            found its resource is an ErrorMessage. A request waits for a worker that is still starting, for 90 s.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(),
    ),
    servers((url = "/", description = "This worker")),
    tags(
        (name = "worker", description = "The worker itself"),
        (name = "connectors", description = "Connectors: make them, change them, look at them"),
        (name = "life cycle", description = "Pause, resume, stop and restart"),
        (name = "offsets", description = "How far connectors are; to change it, stop the connector first"),
        (name = "plugins", description = "What connectors are made of, and whether a configuration is right"),
        (name = "dead letters", description = "What is in the dead letter queues, and why; redriving it, and putting it away"),
        (name = "schemas", description = "Changes of schemas, and how they are told"),
        (name = "loggers", description = "What the worker logs"),
    ),
    components(schemas(ErrorMessage, dlq_schemas::DeadLetterOrder)),
)]
struct Base;

pub fn base() -> Document {
    Base::openapi()
}

/// The document as it is served.
static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| document().to_pretty_json().expect("a document of plain data can be written as JSON"));

/// The whole document: every route with its own answers and those that all have in common.
pub fn document() -> Document {
    let (_, mut document) = super::routes().merge(super::operators()).split_for_parts();
    document.paths.paths.values_mut().flat_map(operations).for_each(common);
    document.merge(super::pages().into_openapi());
    document.paths.paths.values_mut().flat_map(operations).for_each(typed);
    document
}

/// The operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().filter_map(|o| o.as_mut())
}

/// A parameter in a path is a text, where its handler does not say more of it: even of a task's number, for what is none
/// has an answer of its own.
fn typed(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        if parameter.parameter_in == ParameterIn::Path && parameter.schema.is_none() {
            parameter.schema = Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).build().into());
        }
    }
}

/// Adds the answers that every operation may give, where it does not describe them itself.
fn common(operation: &mut Operation) {
    let mut add = |status: &str, description: &str, body: bool| {
        let response = ResponseBuilder::new().description(description);
        let error = Content::new(Some(Ref::from_schema_name(ErrorMessage::name())));
        let response = if body { response.content("application/json", error) } else { response };
        operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response.build()));
    };
    if operation.parameters.iter().flatten().any(|p| matches!(p, RefOr::T(p) if p.parameter_in == ParameterIn::Path)) {
        add("400", "The path is not UTF-8, or has a control character or an escape that is none", true);
    }
    add("406", "The client accepts no JSON", false);
    let json = |body: &RefOr<_>| match body {
        RefOr::T(utoipa::openapi::request_body::RequestBody { content, .. }) => content.contains_key("application/json"),
        RefOr::Ref(_) => true,
    };
    if operation.request_body.as_ref().is_some_and(json) {
        add("413", "The body is larger than 8 MiB", true);
        add("415", "The body's Content-Type is not application/json", false);
        add("500", "The body is not the JSON that is asked for, or the worker failed or took longer than 90 s", true);
    } else {
        add("500", "The worker failed, or took longer than 90 s; the message says what it is doing", true);
    }
    add("503", "The worker is stopping", true);
}

/// This document
///
/// Generated from what the worker answers. It is given to every client, whatever it accepts.
#[utoipa::path(get, path = "/openapi.json", operation_id = "getOpenApi", tag = "worker",
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value)))]
pub async fn json() -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
