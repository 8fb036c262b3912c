//! Whether a schema could be registered, without registering it.

use std::sync::Arc;

use axum::extract::{Path, State as Of};
use serde_json::json;

use super::request::{JsonObject, Params};
use super::{Answer, Answered, subjects};
use crate::server::Registry;
use crate::server::command::VersionId;
use crate::server::compatible::Check;
use crate::server::error::ApiError;
use crate::server::subject::Subject;

pub async fn all(registry: Of<Arc<Registry>>, Path(name): Path<String>, params: Params, body: JsonObject) -> Answered {
    check(registry.0, name, None, params, body).await
}

pub async fn one(
    registry: Of<Arc<Registry>>,
    Path((name, version)): Path<(String, String)>,
    params: Params,
    body: JsonObject,
) -> Answered {
    check(registry.0, name, Some(VersionId::parse(&version)?), params, body).await
}

/// Against one version, or against as many as the subject's level asks for.
async fn check(registry: Arc<Registry>, name: String, version: Option<VersionId>, params: Params, body: JsonObject) -> Answered {
    let schema = body.schema()?;
    let verbose = params.flag("verbose");
    let work = move |registry: &Registry| {
        registry.view(|state| {
            let subject = state.resolved(Subject::valid(&name)?);
            let versions: Vec<_> = match version {
                None => state.live(&subject).collect(),
                Some(VersionId::Latest) => state.latest(&subject).into_iter().collect(),
                Some(VersionId::Number(number)) => {
                    let found = state.live(&subject).find(|(n, _)| *n == number);
                    vec![found.ok_or_else(|| ApiError::version_not_found(number))?]
                }
            };
            let (text, references) = schema.parse(state, &registry.texts, &subject)?;
            schema.check_new(state, &subject, &references)?;
            let config = state.config_for(Some(&subject));
            let check = Check { state, texts: &registry.texts, subject: &subject, config: &config };
            Ok(check.messages(&text, schema.metadata.as_ref(), &versions))
        })
    };
    // The other side of the comparison may be large where this one is not.
    let reasons = subjects::apart(registry, usize::MAX, work).await?;
    let mut answer = json!({"is_compatible": reasons.is_empty()});
    if verbose {
        answer["messages"] = json!(reasons);
    }
    Ok(Answer(answer))
}
