//! Registries as the monitor reads them, with the clients that converters work with.
//!
//! What the registry says no to is told from a registry that cannot be asked: only the first means that there is no such
//! subject or version. Nothing is kept but the schemas behind ids, which never change.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use millrace_record::RawConfig;
use millrace_registry::client::{Failed, HttpClient, part};
use millrace_registry::compatibility::Level;
use millrace_registry::{InvalidSchema, ParsedSchema, Reference, SchemaType};
use parking_lot::Mutex;
use serde_json::Value;

use super::reader::{Fetched, Readers, SubjectReader, Unreachable};
use crate::registry::clients::Registries;

/// How many schemas are kept of one registry.
const SCHEMAS_MAX: usize = 10_000;

/// Readers of the registries that converters name: one for each client.
pub struct HttpReaders {
    registries: Arc<Registries>,
    made: Mutex<Vec<(String, Arc<HttpReader>)>>,
}

impl HttpReaders {
    pub fn new(registries: Arc<Registries>) -> Self {
        HttpReaders { registries, made: Mutex::default() }
    }
}

impl Readers for HttpReaders {
    fn reader(&self, settings: &RawConfig) -> Result<(String, Arc<dyn SubjectReader>), String> {
        let client = self.registries.client_of(settings)?;
        let mut made = self.made.lock();
        if let Some((name, reader)) = made.iter().find(|(_, reader)| Arc::ptr_eq(&reader.client, &client)) {
            return Ok((name.clone(), reader.clone()));
        }
        let name = client.urls().collect::<Vec<_>>().join(",");
        let reader = Arc::new(HttpReader { client, schemas: Mutex::default() });
        made.push((name.clone(), reader.clone()));
        Ok((name, reader))
    }
}

/// One registry.
struct HttpReader {
    client: Arc<HttpClient>,
    schemas: Mutex<HashMap<i32, Arc<Fetched>>>,
}

impl HttpReader {
    /// None: the registry says that there is no such thing.
    async fn get(&self, path: &str) -> Result<Option<Value>, Unreachable> {
        match self.client.get(path).await {
            Ok(found) => Ok(Some(found)),
            // 404, or one of Confluent's more exact codes: 40401 (subject), 40402 (version), 40403 (schema), 40408 (config).
            Err(Failed::No(no)) if no.code == 404 || no.code / 100 == 404 => Ok(None),
            Err(failed) => Err(Unreachable(failed.to_string())),
        }
    }

    /// Reads a schema as the API answers one; what it refers to is asked for.
    async fn fetched(&self, found: &Value, subject: &str, id: i32, version: i32) -> Result<Arc<Fetched>, Unreachable> {
        if let Some(known) = self.schemas.lock().get(&id) {
            return Ok(Arc::new(Fetched { version, ..Fetched::clone(known) }));
        }
        let schema_type = found.get("schemaType").cloned().map(serde_json::from_value::<SchemaType>);
        let schema_type = schema_type.and_then(Result::ok).unwrap_or_default();
        let text: Arc<str> = found.get("schema").and_then(Value::as_str).unwrap_or_default().into();
        let references = found.get("references").cloned().map(serde_json::from_value::<Vec<Reference>>);
        let references = references.and_then(Result::ok).unwrap_or_default();
        let parsed = match self.client.dependencies(subject, references).await {
            Ok(dependencies) => ParsedSchema::parse(schema_type, &text, &dependencies),
            // A reference that is not there makes a schema that cannot be parsed.
            Err(Failed::No(no)) => Err(InvalidSchema(format!("its references cannot be resolved: {no}"))),
            Err(failed) => return Err(Unreachable(failed.to_string())),
        };
        let fetched = Arc::new(Fetched { version, id, schema_type, text, parsed });
        let mut schemas = self.schemas.lock();
        if schemas.len() >= SCHEMAS_MAX {
            schemas.clear();
        }
        schemas.insert(id, fetched.clone());
        Ok(fetched)
    }
}

fn number(value: &Value, key: &str) -> Option<i32> {
    value.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok())
}

#[async_trait]
impl SubjectReader for HttpReader {
    async fn versions(&self, subject: &str) -> Result<Vec<i32>, Unreachable> {
        let found = self.get(&format!("/subjects/{}/versions", part(subject))).await?;
        let numbers = |v: &Value| v.as_i64().and_then(|n| i32::try_from(n).ok());
        let mut versions: Vec<i32> = found.iter().flat_map(|v| v.as_array().into_iter().flatten()).filter_map(numbers).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    async fn version(&self, subject: &str, version: i32) -> Result<Option<Arc<Fetched>>, Unreachable> {
        let path = format!("/subjects/{}/versions/{version}", part(subject));
        let found = match self.get(&path).await? {
            Some(found) => Some(found),
            None => self.get(&format!("{path}?deleted=true")).await?,
        };
        let Some(id) = found.as_ref().and_then(|f| number(f, "id")) else { return Ok(None) };
        let Some(found) = found else { return Ok(None) };
        self.fetched(&found, subject, id, version).await.map(Some)
    }

    async fn by_id(&self, id: i32, subject: &str) -> Result<Option<Arc<Fetched>>, Unreachable> {
        if let Some(known) = self.schemas.lock().get(&id) {
            return Ok(Some(Arc::new(Fetched { version: 0, ..Fetched::clone(known) })));
        }
        let named = if subject.is_empty() { String::new() } else { format!("?subject={}", part(subject)) };
        match self.get(&format!("/schemas/ids/{id}{named}")).await? {
            Some(found) => self.fetched(&found, subject, id, 0).await.map(Some),
            None => Ok(None),
        }
    }

    async fn versions_of(&self, id: i32, subject: &str) -> Result<Vec<(String, i32)>, Unreachable> {
        let found = self.get(&format!("/schemas/ids/{id}/versions?subject={}&deleted=true", part(subject))).await?;
        let place = |v: &Value| Some((v.get("subject")?.as_str()?.to_owned(), number(v, "version")?));
        Ok(found.iter().flat_map(|v| v.as_array().into_iter().flatten()).filter_map(place).collect())
    }

    async fn level(&self, subject: &str) -> Result<Level, Unreachable> {
        let own = self.get(&format!("/config/{}?defaultToGlobal=true", part(subject))).await?;
        let found = match own {
            Some(own) => Some(own),
            None => self.get("/config").await?,
        };
        let level = found.as_ref().and_then(|f| f.get("compatibilityLevel").or_else(|| f.get("compatibility"))?.as_str());
        Ok(level.and_then(|l| l.parse().ok()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{StatusCode, Uri};
    use axum::response::IntoResponse;

    use super::*;

    const V1: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;

    /// Answers as Confluent's registry does: one subject with a deleted version, and nothing else.
    async fn answer(uri: Uri) -> impl IntoResponse {
        let schema = serde_json::json!({"subject": "a/b-value", "version": 2, "id": 7, "schema": V1});
        let no = |code: i32| (StatusCode::NOT_FOUND, serde_json::json!({"error_code": code, "message": "no"}).to_string());
        let path = uri.path_and_query().map(|p| p.as_str()).unwrap_or_default();
        match path.replace("%2F", "/").as_str() {
            "/subjects/a/b-value/versions" => (StatusCode::OK, "[2, 3]".into()),
            "/subjects/a/b-value/versions/2" | "/subjects/a/b-value/versions/1?deleted=true" => {
                (StatusCode::OK, schema.to_string())
            }
            p if p.starts_with("/schemas/ids/7/versions") => (StatusCode::OK, r#"[{"subject":"a/b-value","version":2}]"#.into()),
            p if p.starts_with("/schemas/ids/7") => (StatusCode::OK, schema.to_string()),
            p if p.starts_with("/schemas/ids/") => no(40403),
            p if p.starts_with("/config/") => no(40408),
            "/config" => (StatusCode::OK, r#"{"compatibilityLevel":"FULL"}"#.into()),
            "/subjects/down/versions" => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            p if p.contains("/versions/") => no(40402),
            _ => no(40401),
        }
    }

    #[tokio::test]
    async fn reads_what_a_registry_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        let readers = HttpReaders::new(Registries::new(&RawConfig::new(), Some(url.clone())));
        let (name, reader) = readers.reader(&RawConfig::new()).unwrap();
        assert_eq!(name, url);
        assert_eq!(reader.versions("a/b-value").await.unwrap(), [2, 3]);
        assert!(reader.versions("other").await.unwrap().is_empty());
        let found = reader.version("a/b-value", 2).await.unwrap().expect("is there");
        assert_eq!((found.id, found.version, found.schema_type), (7, 2, millrace_registry::SchemaType::Avro));
        assert!(reader.version("a/b-value", 1).await.unwrap().is_some(), "a deleted version is asked for");
        assert!(reader.version("a/b-value", 9).await.unwrap().is_none());
        assert_eq!(reader.versions_of(7, "a/b-value").await.unwrap(), [("a/b-value".to_owned(), 2)]);
        assert!(reader.by_id(8, "a/b-value").await.unwrap().is_none());
        assert_eq!(reader.level("a/b-value").await.unwrap(), Level::Full);
        assert!(reader.versions("down").await.is_err(), "a failing registry is no registry without the subject");
        let nowhere = HttpReaders::new(Arc::default());
        assert!(nowhere.reader(&RawConfig::new()).is_err_and(|why| why.contains("schema.registry.url")));
    }
}
