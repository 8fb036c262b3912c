//! One answer, in the form in which two workers' answers are compared.

use std::collections::BTreeMap;

use serde_json::Value;

/// Headers that clients read.
const HEADERS: &[&str] =
    &["content-type", "location", "allow", "vary", "cache-control", "x-frame-options", "x-content-type-options"];

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

/// What is a worker's own, and how it is shown in what is compared.
pub struct Own {
    pub url: String,
    pub dir: String,
}

impl Own {
    pub fn answer(&self, status: u16, headers: &reqwest::header::HeaderMap, text: &str) -> Answer {
        let read = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            let name = name.as_str().to_owned();
            let kept = HEADERS.contains(&name.as_str()) || name.starts_with("access-control-") || name.starts_with("x-test-");
            kept.then(|| (name.clone(), self.header(&name, &String::from_utf8_lossy(value.as_bytes()))))
        };
        // Connect leaves `Allow` out of a 405, against HTTP; ours has it.
        let headers = headers.iter().filter_map(read).filter(|(name, _)| name != "allow" || status != 405).collect();
        let body = match serde_json::from_str::<Value>(text) {
            Ok(value) => self.value(value, None),
            // The answer to OPTIONS is the set of methods.
            Err(_) if text.split(", ").all(|m| m.chars().all(|c| c.is_ascii_uppercase())) => Value::String(sorted(text)),
            Err(_) => Value::String(self.text(text)),
        };
        Answer { status, headers, body }
    }

    fn header(&self, name: &str, value: &str) -> String {
        match name {
            // Sets, which Java's hash tables put in another order at each start.
            "allow" | "vary" | "access-control-allow-methods" | "access-control-allow-headers" => sorted(value),
            _ => self.text(value),
        }
    }

    fn text(&self, text: &str) -> String {
        let worker = self.url.trim_start_matches("http://");
        text.replace(&self.url, "{{url}}")
            .replace(worker, "{{worker}}")
            .replace(&self.dir, "{{dir}}")
            .replace("localhost", "127.0.0.1")
    }

    fn value(&self, value: Value, key: Option<&str>) -> Value {
        match value {
            // For people and of Java: that it is there is what clients see.
            Value::String(_) if key == Some("trace") => "{{trace}}".into(),
            Value::String(s) if matches!(key, Some("version" | "commit" | "kafka_cluster_id")) && !s.is_empty() => {
                "{{own}}".into()
            }
            Value::Number(_) if key == Some("last_modified") => "{{time}}".into(),
            Value::String(s) => self.text(&s).into(),
            // How a task is doing is told by one worker alone.
            Value::Object(mut map) if map.contains_key("health") => {
                map.remove("health");
                self.value(Value::Object(map), key)
            }
            Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (self.text(&k), self.value(v, Some(&k)))).collect()),
            Value::Array(items) => {
                let mut items: Vec<_> = items.into_iter().map(|v| self.value(v, None)).collect();
                // Names come out of a hash map, and so do offsets.
                if key == Some("offsets") {
                    items.sort_by_key(|item| item["partition"].to_string());
                }
                if items.iter().all(Value::is_string) {
                    items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                }
                Value::Array(items)
            }
            other => other,
        }
    }
}

/// The items of a list, in order.
fn sorted(list: &str) -> String {
    let mut items: Vec<_> = list.split(',').map(str::trim).collect();
    items.sort_unstable();
    items.join(", ")
}

impl Answer {
    /// Without the text of `message`.
    pub fn but_message(mut self) -> Answer {
        if let Some(message) = self.body.get_mut("message") {
            *message = Value::Null;
        }
        self
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.body)
    }
}
