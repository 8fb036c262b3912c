//! The worker's settings of the monitor.

use std::time::Duration;

use super::rules::{self, Webhook, WebhookFormat};
use crate::config::Storage;

/// `schema.monitor.*`
#[derive(Debug, Clone)]
pub struct MonitorSettings {
    pub enabled: bool,
    /// `schema.monitor.interval.ms`
    pub interval: Duration,
    /// `schema.monitor.topic` and its like.
    pub storage: Storage,
    /// Of subjects for which no rule names any.
    pub webhooks: Vec<Webhook>,
}

/// The webhooks that the worker's settings name. The error is about the format (true) or a URL, with the value and a remedy.
pub fn webhooks(urls: &[String], format: &str, secret: Option<String>) -> Result<Vec<Webhook>, (bool, String)> {
    let format = match format.to_ascii_lowercase().as_str() {
        "generic" => WebhookFormat::Generic,
        "slack" => WebhookFormat::Slack,
        _ => return Err((true, format!("invalid value {format}: set generic or slack"))),
    };
    let webhook = |url: &String| {
        rules::check_url(url).map_err(|why| (false, why))?;
        Ok(Webhook { url: url.clone(), format, secret: secret.clone() })
    };
    urls.iter().map(webhook).collect()
}
