//! The registry over a log in memory: one log, any number of registries on it.

mod answers;
mod associations;
mod formats;
mod replay;
mod several;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use parking_lot::Mutex;
use serde_json::Value;
use tower::ServiceExt;

use super::{Entry, Identity, LogError, Registry, SchemaLog, router};

/// What all registries of a test share.
#[derive(Default)]
pub struct Log {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    writer: usize,
    readers: Vec<Arc<Registry>>,
}

impl Log {
    pub fn entries(&self) -> Vec<Entry> {
        self.inner.lock().entries.clone()
    }
}

struct Writing {
    log: Arc<Log>,
    number: usize,
}

#[async_trait]
impl SchemaLog for Writing {
    async fn claim(&self) -> Result<(), LogError> {
        self.log.inner.lock().writer = self.number;
        Ok(())
    }

    async fn append(&self, entries: Vec<Entry>) -> Result<i64, LogError> {
        // Others have their chance to come between.
        tokio::task::yield_now().await;
        let mut inner = self.log.inner.lock();
        if inner.writer != self.number {
            return Err(LogError::Superseded);
        }
        for entry in entries {
            let offset = inner.entries.len() as i64;
            inner.readers.iter().for_each(|r| r.read(offset, &entry.key, entry.value.as_deref()));
            inner.entries.push(entry);
        }
        Ok(inner.entries.len() as i64 - 1)
    }
}

/// A registry as clients see it.
#[derive(Clone)]
pub struct Server {
    pub registry: Arc<Registry>,
    routes: Router,
}

impl Server {
    /// One more registry on the log; it has read what is there.
    pub fn on(log: &Arc<Log>) -> Server {
        let (registry, writer) = Registry::new(Identity { kafka_cluster: "c".into(), version: "1" });
        let mut inner = log.inner.lock();
        for (offset, entry) in inner.entries.iter().enumerate() {
            registry.read(offset as i64, &entry.key, entry.value.as_deref());
        }
        inner.readers.push(registry.clone());
        let writing = Writing { log: log.clone(), number: inner.readers.len() };
        drop(inner);
        registry.complete();
        tokio::spawn(writer.run(Arc::new(writing)));
        Server { routes: router(registry.clone()), registry }
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let body = body.map_or(Body::empty(), |b| Body::from(b.to_string()));
        let answer = self.routes.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// The answer of a request that goes well.
    pub async fn well(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// The error of one that does not: its code and its message.
    pub async fn fails(&self, method: &str, path: &str, body: Option<Value>) -> (i64, String) {
        let (status, answer) = self.ask(method, path, body).await;
        let code = answer["error_code"].as_i64().unwrap_or_default();
        assert!(status >= 400, "{method} {path}: {status} {answer}");
        assert!(code == i64::from(status) || code / 100 == i64::from(status), "{status} {answer}");
        (code, answer["message"].as_str().unwrap_or_default().to_owned())
    }
}
