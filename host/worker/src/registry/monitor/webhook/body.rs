//! What a webhook is sent, and the signature of it.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::registry::monitor::event::{ChangeEvent, EventKind};
use crate::registry::monitor::rules::WebhookFormat;

/// Slack takes 3,000 characters in one section.
const SECTION_CHARS_MAX: usize = 2_900;
/// How many lines of differences or reasons a message has.
const LINES_MAX: usize = 20;

/// The bytes that are sent.
pub fn body(event: &ChangeEvent, format: WebhookFormat) -> Vec<u8> {
    let body = match format {
        WebhookFormat::Generic => serde_json::to_value(event).expect("plain data can be written as JSON"),
        WebhookFormat::Slack => slack(event),
    };
    body.to_string().into_bytes()
}

/// `sha256=` and the HMAC-SHA256 of the bytes in hexadecimal.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length is taken");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

/// Slack's three characters with a meaning.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn lines(title: &str, all: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<_> = all.collect();
    if all.is_empty() {
        return None;
    }
    let mut text = format!("*{title}*");
    for line in all.iter().take(LINES_MAX) {
        text.push_str(&format!("\n• {}", escaped(line)));
    }
    if all.len() > LINES_MAX {
        text.push_str(&format!("\n… and {} more", all.len() - LINES_MAX));
    }
    Some(text.chars().take(SECTION_CHARS_MAX).collect())
}

fn slack(event: &ChangeEvent) -> Value {
    let sign = if event.kind == EventKind::Incompatible { ":rotating_light:" } else { ":information_source:" };
    let headline = format!("{sign} {}", escaped(&event.summary));
    let mut sections = vec![format!("{sign} *{}*", escaped(&event.summary))];
    sections.extend(lines("What changed", event.changes.iter().map(|c| c.text.clone())));
    let reasons = event.compatibility.iter().flat_map(|c| &c.reasons);
    sections.extend(lines("Why it is not compatible", reasons.map(|r| format!("{} at {}: {}", r.kind, r.path, r.description))));
    let affected = event.affected.iter().map(|a| {
        let tables = if a.tables.is_empty() { String::new() } else { format!(", tables {}", a.tables.join(", ")) };
        let stops = if a.stops { "; it stops" } else { "" };
        format!("{} {} (topics {}{tables}){stops}", a.kind, a.connector, a.topics.join(", "))
    });
    sections.extend(lines("Affected", affected));
    sections.push(format!("`POST /schemas/changes/{}/acknowledge` accepts it", event.id));
    let blocks = sections.into_iter().map(|text| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
    json!({"text": headline, "blocks": blocks.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::monitor::tests::event;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // RFC 4231, test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", b"what do ya want for nothing?"), expected);
    }

    #[test]
    fn slack_gets_text_and_sections() {
        let mut event = event(7, "a<b>-value");
        event.affected[0].stops = true;
        let body: Value = serde_json::from_slice(&body(&event, WebhookFormat::Slack)).unwrap();
        let text = body["text"].as_str().unwrap();
        assert!(text.contains("a&lt;b&gt;-value") && !text.contains('\n'), "{text}");
        let sections: Vec<_> = body["blocks"].as_array().unwrap().iter().map(|b| b["text"]["text"].as_str().unwrap()).collect();
        let has = |part: &str| sections.iter().any(|s| s.contains(part));
        assert!(
            has("was added") && has("orders-sink") && has("it stops") && has("/schemas/changes/7/acknowledge"),
            "{sections:?}"
        );
    }

    #[test]
    fn the_generic_body_is_the_event() {
        let event = event(7, "s-value");
        let sent: ChangeEvent = serde_json::from_slice(&body(&event, WebhookFormat::Generic)).unwrap();
        assert_eq!(sent, event);
    }
}
