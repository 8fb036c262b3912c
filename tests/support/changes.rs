//! Those who are told of changes of schemas: a receiver of webhooks, and a reader of the worker's WebSocket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const WITHIN: Duration = Duration::from_secs(60);

/// What a webhook was sent.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub event: String,
    pub signature: String,
    pub body: String,
}

/// A receiver of webhooks that keeps all it was sent.
pub struct Hook {
    pub url: String,
    kept: Arc<Mutex<Vec<Delivery>>>,
    /// How many deliveries are refused from now on.
    refuse: Arc<AtomicUsize>,
}

impl Hook {
    /// Answers 503 to the first `refused` deliveries.
    pub async fn start(refused: usize) -> anyhow::Result<Hook> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let (kept, refuse) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(refused)));
        let (all, left) = (kept.clone(), refuse.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(receive(socket, all.clone(), left.clone()));
            }
        });
        Ok(Hook { url, kept, refuse })
    }

    /// Answers 503 to so many deliveries from now on.
    pub fn refuse(&self, n: usize) {
        self.refuse.store(n, Ordering::SeqCst);
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.kept.lock().clone()
    }
}

async fn receive(mut socket: TcpStream, kept: Arc<Mutex<Vec<Delivery>>>, refuse: Arc<AtomicUsize>) {
    let mut bytes = Vec::new();
    while socket.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| {
            let found = head.lines().filter_map(|l| l.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, v)| v.trim().to_owned()).unwrap_or_default()
        };
        if body.len() < header("content-length").parse().unwrap_or(0) {
            continue;
        }
        let (event, signature) = (header("x-millrace-event"), header("x-millrace-signature"));
        kept.lock().push(Delivery { event, signature, body: body.to_owned() });
        let refused = refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        let status = if refused { "503 Service Unavailable" } else { "204 No Content" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = socket.write_all(answer.as_bytes()).await;
        break;
    }
}

/// `GET /schemas/changes/stream`.
pub struct Changes(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Changes {
    pub async fn of(rest: &str) -> anyhow::Result<Changes> {
        let url = format!("{}/schemas/changes/stream", rest.replacen("http", "ws", 1));
        Ok(Changes(tokio_tungstenite::connect_async(url).await?.0))
    }

    /// The next change of a kind.
    pub async fn next(&mut self, kind: &str) -> anyhow::Result<Value> {
        loop {
            let message = tokio::time::timeout(WITHIN, self.0.next()).await.with_context(|| format!("no {kind}"))?;
            let Message::Text(text) = message.context("the stream ended")?? else { continue };
            let change: Value = serde_json::from_str(&text)?;
            if change["kind"] == kind {
                return Ok(change);
            }
        }
    }
}
