//! Which subjects resources have, and which resources a subject has.

use std::sync::Arc;

use axum::extract::{Path, State as Of};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::request::{JsonObject, Params};
use super::{Answer, Answered};
use crate::server::association::{Association, AssociationRequest, Filter, Lifecycle, TOPIC};
use crate::server::error::ApiError;
use crate::server::subject::Subject;
use crate::server::{Command, Registry};

fn filter(params: &Params) -> Result<Filter, ApiError> {
    let given = |name: &str| params.get(name).filter(|v| !v.is_empty());
    let lifecycle = match given("lifecycle").map(str::to_ascii_uppercase).as_deref() {
        None => None,
        Some("STRONG") => Some(Lifecycle::Strong),
        Some("WEAK") => Some(Lifecycle::Weak),
        Some(other) => return Err(ApiError::unprocessable(format!("Invalid lifecycle {other}, set one of STRONG, WEAK"))),
    };
    let types = params.all("associationType").filter(|t| !t.is_empty()).map(str::to_owned).collect();
    Ok(Filter { resource_type: given("resourceType").map(str::to_owned), types, lifecycle })
}

fn list(registry: &Registry, params: &Params, filter: &Filter, means: impl Fn(&Association) -> bool) -> Answered {
    registry.view(|state| {
        let found = state.associations().filter(|a| means(a) && filter.takes(a));
        Ok(Answer(json!(params.page(found)?)))
    })
}

/// `-` stands for any namespace.
pub async fn of_name(
    Of(registry): Of<Arc<Registry>>,
    Path((namespace, name)): Path<(String, String)>,
    params: Params,
) -> Answered {
    let mut filter = filter(&params)?;
    filter.resource_type.get_or_insert_with(|| TOPIC.to_owned());
    let within = |a: &Association| namespace == "-" || a.resource_namespace == namespace;
    list(&registry, &params, &filter, |a| a.resource_name == name && within(a))
}

pub async fn of_id(Of(registry): Of<Arc<Registry>>, Path(id): Path<String>, params: Params) -> Answered {
    list(&registry, &params, &filter(&params)?, |a| a.key.resource_id == id)
}

pub async fn of_subject(Of(registry): Of<Arc<Registry>>, Path(name): Path<String>, params: Params) -> Answered {
    let subject = Subject::valid(&name)?;
    list(&registry, &params, &filter(&params)?, |a| Subject::parse(&a.subject) == subject)
}

/// Makes the change, or with `dryRun` only says what it would be.
async fn change(registry: &Registry, params: &Params, command: Command) -> Result<Value, ApiError> {
    match params.flag("dryRun") {
        true => registry.view(|state| command.decide(state, &registry.texts)).map(|decision| decision.answer),
        false => registry.change(command).await,
    }
}

async fn associate(registry: &Registry, params: &Params, request: AssociationRequest, update: bool) -> Answered {
    let command = Command::Associate { request: Arc::new(request.clone()), update };
    // Nothing is registered for what cannot be associated.
    registry.view(|state| command.decide(state, &registry.texts))?;
    for wanted in &request.associations {
        let (Some(schema), Some(subject)) = (&wanted.schema, &wanted.subject) else { continue };
        let Value::Object(schema) = schema else {
            return Err(ApiError::unprocessable("Invalid value of \"schema\": it must be an object"));
        };
        let schema = Arc::new(JsonObject(schema.clone()).schema()?);
        let normalize = wanted.normalize.unwrap_or_default();
        change(registry, params, Command::Register { subject: Subject::valid(subject)?, schema, normalize }).await?;
    }
    change(registry, params, command).await.map(Answer)
}

fn read(body: JsonObject) -> Result<AssociationRequest, ApiError> {
    let request = serde_json::from_value(Value::Object(body.0));
    request.map_err(|e| ApiError::unprocessable(format!("Invalid association: {e}")))
}

pub async fn create(Of(registry): Of<Arc<Registry>>, params: Params, body: JsonObject) -> Answered {
    associate(&registry, &params, read(body)?, false).await
}

pub async fn create_or_update(Of(registry): Of<Arc<Registry>>, params: Params, body: JsonObject) -> Answered {
    associate(&registry, &params, read(body)?, true).await
}

pub async fn create_or_update_of(
    Of(registry): Of<Arc<Registry>>,
    Path(id): Path<String>,
    params: Params,
    body: JsonObject,
) -> Answered {
    let request = AssociationRequest { resource_id: Some(id), ..read(body)? };
    associate(&registry, &params, request, true).await
}

pub async fn delete(Of(registry): Of<Arc<Registry>>, Path(id): Path<String>, params: Params) -> Result<StatusCode, ApiError> {
    let command = Command::Dissociate { resource_id: id, filter: filter(&params)?, cascade: params.flag("cascadeLifecycle") };
    change(&registry, &params, command).await?;
    Ok(StatusCode::NO_CONTENT)
}
