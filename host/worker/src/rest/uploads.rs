//! `/plugins` and below: plugins that are uploaded, their versions, and the way back.
//!
//! An upload is a `PUT`, never a `POST`: a page in a browser can send a `POST` with any body to this machine without being
//! asked, and a `PUT` only where the worker allows its origin.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use serde_json::{Value, json};

use super::openapi::schemas::ErrorMessage;
use super::openapi::upload_schemas::*;
use super::{Answer, App, RestError, empty, json as answer};
use crate::herder::{Herder, Moved};
use crate::plugins::{Incoming, InstallError, Installed, StoreError, class, signer};

type Params = Query<Vec<(String, String)>>;

/// How long an upload may bring nothing.
const STALL_MAX: Duration = Duration::from_secs(30);

impl From<InstallError> for RestError {
    fn from(error: InstallError) -> Self {
        let status = match &error {
            InstallError::Refused(_) => StatusCode::BAD_REQUEST,
            InstallError::Conflict(_) => StatusCode::CONFLICT,
            InstallError::NotFound(_) => StatusCode::NOT_FOUND,
            InstallError::Nowhere | InstallError::Store(_) | InstallError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        RestError::new(status, error.to_string())
    }
}

impl From<StoreError> for RestError {
    fn from(error: StoreError) -> Self {
        InstallError::Store(error).into()
    }
}

fn bad(message: impl Into<String>) -> RestError {
    RestError::new(StatusCode::BAD_REQUEST, message)
}

fn param<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
}

/// Whether what is installed may be changed over REST.
fn allowed(herder: &Herder) -> Result<(), RestError> {
    match herder.worker.uploads.enabled {
        true => Ok(()),
        false => Err(RestError::new(
            StatusCode::FORBIDDEN,
            "Plugins cannot be changed over REST on this worker: set \"plugin.upload.enabled=true\"; without the setting they \
             can where every listener is of this machine alone",
        )),
    }
}

fn plugin_json(herder: &Herder, one: &Installed, used_by: &[String]) -> Value {
    let id = one.id();
    let component = one.origin.component();
    json!({
        "name": id.name,
        "type": id.kind,
        "class": class(&*one.plugin),
        "version": id.version,
        "sha256": component.map(|c| &c.sha256),
        "bytes": component.map(|c| c.bytes),
        "source": one.origin.name(),
        "file": component.map(|c| c.file.display().to_string()),
        "withdrawn": herder.plugins.now().withdrawn().contains(&id),
        "needs": one.plugin.needs().into_iter().map(|n| n.capability).collect::<Vec<_>>(),
        "used_by": used_by,
    })
}

fn plugins_json(herder: &Herder, all: &[Installed]) -> Value {
    let users = herder.users(all);
    all.iter().zip(&users).map(|(one, users)| plugin_json(herder, one, users)).collect()
}

fn moved_json(moved: &Moved) -> (Value, Value) {
    let refused = moved.refused.iter().map(|(name, why)| json!({"connector": name, "reason": why})).collect();
    (json!(moved.connectors), refused)
}

/// The installed plugins, version by version
///
/// With where each is from and who uses it. `/connector-plugins` is Kafka Connect's list of the same.
#[utoipa::path(get, path = "/plugins", operation_id = "listInstalledPlugins", tag = "plugins",
    responses(
        (status = 200, description = "The plugins, each in every version", body = Vec<InstalledPlugin>),
    ))]
pub async fn list(State(rest): App) -> Answer {
    let herder = rest.herder().await?;
    let now = herder.plugins.now();
    Ok(answer(StatusCode::OK, &plugins_json(&herder, now.all())))
}

/// The versions of a plugin
#[utoipa::path(get, path = "/plugins/{name}/versions", operation_id = "listPluginVersions", tag = "plugins",
    params(("name", description = "The plugin's short name")),
    responses(
        (status = 200, description = "Its versions, oldest first", body = Vec<InstalledPlugin>),
        (status = 404, description = "There is no such plugin", body = ErrorMessage),
    ))]
pub async fn versions(State(rest): App, Path(name): Path<String>) -> Answer {
    let herder = rest.herder().await?;
    let now = herder.plugins.now();
    let all: Vec<Installed> = now.versions_of(&name).into_iter().cloned().collect();
    if all.is_empty() {
        return Err(RestError::not_found(format!("Plugin {name} not found")));
    }
    Ok(answer(StatusCode::OK, &plugins_json(&herder, &all)))
}

/// Upload a plugin
///
/// The body is the component. It is loaded as at a start, and the answer waits for that. Connectors that take it, because
/// it is the newest that fits what they ask for, move to it.
#[utoipa::path(put, path = "/plugins", operation_id = "uploadPlugin", tag = "plugins",
    params(
        ("grants" = Option<String>, Query, description = "Capabilities that every connector that uses it grants it, separated by commas, as the file `.grants` beside a component does"),
        ("replace" = Option<bool>, Query, description = "Also in place of an uploaded plugin of the same name and version"),
        ("X-Content-SHA256" = Option<String>, Header, description = "The SHA-256 digest of the body in hexadecimal digits; `Content-Digest` and `Digest` with sha-256 do as well"),
        ("X-Content-Signature" = Option<String>, Header, description = "The signature of the body in base 64, by one of `plugin.upload.keys`"),
    ),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "A component"),
    responses(
        (status = 200, description = "It was there already, byte for byte", body = UploadedPlugin),
        (status = 201, description = "It is installed", body = UploadedPlugin),
        (status = 400, description = "It is no plugin, or not what its digest says; the message says why", body = ErrorMessage),
        (status = 403, description = "The worker takes no uploads", body = ErrorMessage),
        (status = 408, description = "Nothing came for 30 s", body = ErrorMessage),
        (status = 409, description = "Its name and version are taken by another", body = ErrorMessage),
        (status = 413, description = "It is larger than `plugin.upload.max.bytes`", body = ErrorMessage),
        (status = 500, description = "It could not be kept", body = ErrorMessage),
    ))]
pub async fn upload(State(rest): App, Query(params): Params, headers: HeaderMap, body: Body) -> Answer {
    let herder = rest.herder().await?;
    allowed(&herder)?;
    let replace = match param(&params, "replace") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(bad(format!("\"replace\" is {other}: set true or false"))),
    };
    let expected = digests(&headers)?;
    if herder.worker.uploads.digest_required && expected.is_empty() {
        return Err(bad("This worker wants the digest of what is uploaded (\"plugin.upload.require.digest\"): send the header \
             X-Content-SHA256 with the component's SHA-256 in hexadecimal digits"));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<u64>().ok());
    let grants = grants(&params)?;
    let mut incoming = receive(&herder, body, length).await?;
    incoming.grants = grants;
    let found = incoming.sha256();
    if expected.iter().any(|e| *e != found) {
        return Err(bad(format!("What came is not what was sent: its SHA-256 is {}; send it again", hex(&found))));
    }
    let (incoming, signed_by) = signed(&herder, incoming, &headers).await?;
    let (outcome, moved) = herder.install(incoming, replace).await?;
    if let Some(key) = signed_by {
        tracing::info!("plugin {} is signed with {key}", outcome.installed.id());
    }
    let one = &outcome.installed;
    let mut body = plugin_json(&herder, one, &herder.users(std::slice::from_ref(one)).remove(0));
    (body["moved"], body["refused"]) = moved_json(&moved);
    Ok(answer(if outcome.new { StatusCode::CREATED } else { StatusCode::OK }, &body))
}

/// Checks the signature that a request says its body has, and whether there has to be one. Answers the key it is of.
async fn signed(herder: &Herder, incoming: Incoming, headers: &HeaderMap) -> Result<(Incoming, Option<String>), RestError> {
    let uploads = &herder.worker.uploads;
    let Some(signature) = headers.get("x-content-signature") else {
        if uploads.signature_required {
            return Err(bad(
                "This worker wants what is uploaded to be signed (\"plugin.upload.require.signature\"): send the header \
                 X-Content-Signature with the component's signature in base 64, or use millrace plugin deploy --signature",
            ));
        }
        return Ok((incoming, None));
    };
    if uploads.keys.is_empty() {
        return Err(bad("This worker trusts no key (\"plugin.upload.keys\"): upload without the header X-Content-Signature"));
    }
    let (keys, signature) = (uploads.keys.clone(), signature.to_str().unwrap_or_default().to_owned());
    let checked = beside(move || {
        let component = incoming.read()?;
        let by = signer(&keys, &component, &signature).map(|key| key.map(|k| k.name.clone()));
        Ok((incoming, by))
    });
    match checked.await? {
        (incoming, Ok(Some(key))) => Ok((incoming, Some(key))),
        (_, Ok(None)) => {
            Err(bad("What came is not signed with any key that this worker trusts (\"plugin.upload.keys\"): sign these \
             very bytes with the private key of one of them"))
        }
        (_, Err(what)) => Err(bad(format!("The header X-Content-Signature cannot be used: {what}"))),
    }
}

/// The capabilities that an upload is granted wherever it is used.
fn grants(params: &[(String, String)]) -> Result<Vec<String>, RestError> {
    let list = param(params, "grants").unwrap_or_default();
    let grants: Vec<String> = list.split(',').map(str::trim).filter(|g| !g.is_empty()).map(str::to_owned).collect();
    let known: Vec<_> = millrace_sandbox::grantable().collect();
    match grants.iter().find(|g| !known.contains(&g.as_str())) {
        None => Ok(grants),
        Some(wrong) => {
            Err(bad(format!("\"grants\" names {wrong}, which is no capability that is granted: there are {}", known.join(", "))))
        }
    }
}

/// Takes the body to disk, up to the limit.
async fn receive(herder: &Herder, body: Body, length: Option<u64>) -> Result<Incoming, RestError> {
    let max = herder.worker.uploads.bytes_max;
    let too_large = || {
        let message = format!("The component is larger than {max} bytes: make it smaller, or raise \"plugin.upload.max.bytes\"");
        RestError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    if length.is_some_and(|l| l > max) {
        return Err(too_large());
    }
    let mut incoming = herder.plugins.store()?.incoming()?;
    let mut chunks = body.into_data_stream();
    loop {
        let next = tokio::time::timeout(STALL_MAX, chunks.next()).await;
        let stalled = |_| {
            let message = format!("The upload brought nothing for {} s: send it again", STALL_MAX.as_secs());
            RestError::new(StatusCode::REQUEST_TIMEOUT, message)
        };
        let Some(chunk) = next.map_err(stalled)? else { break };
        let chunk = chunk.map_err(|e| bad(format!("The upload was cut off: {e}")))?;
        if incoming.bytes + chunk.len() as u64 > max {
            return Err(too_large());
        }
        incoming = beside(move || incoming.push(&chunk).map(|()| incoming)).await?;
    }
    if incoming.bytes == 0 {
        return Err(bad("The request has no body: send the component, as in curl -T plugin.wasm http://HOST:PORT/plugins"));
    }
    beside(move || incoming.flush().map(|()| incoming)).await
}

/// Does what blocks beside the runtime's threads.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, RestError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(RestError::from),
        Err(error) => Err(RestError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

/// The SHA-256 digests that a request says its body has.
fn digests(headers: &HeaderMap) -> Result<Vec<[u8; 32]>, RestError> {
    let mut found = Vec::new();
    for name in ["x-content-sha256", "content-digest", "digest"] {
        for value in headers.get_all(name) {
            let text = value.to_str().unwrap_or_default().trim();
            let wrong = |form: &str| bad(format!("The header {name} is \"{text}\": write it as {form}"));
            if name == "x-content-sha256" {
                let digits = text.as_bytes();
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                let bytes: Option<Vec<u8>> =
                    if digits.iter().all(u8::is_ascii_hexdigit) { digits.chunks(2).map(byte).collect() } else { None };
                let digest = bytes.and_then(|b| b.try_into().ok());
                found.push(digest.ok_or_else(|| wrong("64 hexadecimal digits"))?);
                continue;
            }
            // Other algorithms are for others.
            for part in text.split(',').map(str::trim) {
                let Some((algorithm, digest)) = part.split_once('=') else { continue };
                if !algorithm.trim().eq_ignore_ascii_case("sha-256") {
                    continue;
                }
                let bytes = BASE64_STANDARD.decode(digest.trim().trim_matches(':')).ok().and_then(|b| b.try_into().ok());
                found.push(bytes.ok_or_else(|| wrong("sha-256=:BASE64:"))?);
            }
        }
    }
    Ok(found)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Remove an uploaded version
#[utoipa::path(delete, path = "/plugins/{name}/{version}", operation_id = "deletePlugin", tag = "plugins",
    params(
        ("name", description = "The plugin's short name"),
        ("version", description = "The version to remove"),
        ("type" = Option<String>, Query, description = "`source`, `sink` or `transformation`, where two kinds share the name"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "The worker lets nobody change its plugins", body = ErrorMessage),
        (status = 404, description = "There is no such version", body = ErrorMessage),
        (status = 409, description = "Connectors use it, which the message names, or it was not uploaded", body = ErrorMessage),
    ))]
pub async fn delete(State(rest): App, Path((name, version)): Path<(String, String)>, Query(params): Params) -> Answer {
    let herder = rest.herder().await?;
    allowed(&herder)?;
    herder.uninstall(&name, &version, param(&params, "type")).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Go back to the version before
///
/// The version that is taken now is withdrawn: it stays, for who asks for it exactly. Upload it again to have it back.
#[utoipa::path(post, path = "/plugins/{name}/rollback", operation_id = "rollBackPlugin", tag = "plugins",
    params(
        ("name", description = "The plugin's short name"),
        ("type" = Option<String>, Query, description = "`source`, `sink` or `transformation`, where two kinds share the name"),
    ),
    responses(
        (status = 200, description = "Connectors are moving back", body = RolledBack),
        (status = 403, description = "The worker lets nobody change its plugins", body = ErrorMessage),
        (status = 404, description = "There is no such plugin", body = ErrorMessage),
        (status = 409, description = "There is no version to go back to", body = ErrorMessage),
    ))]
pub async fn roll_back(State(rest): App, Path(name): Path<String>, Query(params): Params) -> Answer {
    let herder = rest.herder().await?;
    allowed(&herder)?;
    let (from, to, moved) = herder.roll_back(&name, param(&params, "type")).await?;
    let (moved, refused) = moved_json(&moved);
    let body = json!({
        "name": name, "type": to.id().kind, "withdrawn": from.version(), "version": to.version(), "moved": moved, "refused": refused,
    });
    Ok(answer(StatusCode::OK, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_in_every_form() {
        let of = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            digests(&headers).map(|d| d.iter().map(|d| hex(d)).collect::<Vec<_>>()).map_err(|_| ())
        };
        // Of nothing.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(of("x-content-sha256", empty), Ok(vec![empty.to_owned()]));
        assert_eq!(of("digest", &format!("md5=abc, SHA-256={base64}")), Ok(vec![empty.to_owned()]));
        assert_eq!(of("content-digest", &format!("sha-256=:{base64}:")), Ok(vec![empty.to_owned()]));
        assert_eq!(of("content-digest", "sha-512=:abc:"), Ok(vec![]));
        for (name, wrong) in [("x-content-sha256", "abc"), ("x-content-sha256", "+f"), ("digest", "sha-256=x")] {
            assert_eq!(of(name, wrong), Err(()), "{wrong}");
        }
    }
}
