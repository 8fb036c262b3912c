//! Which subjects a connector writes or reads: from its converters, their subject name strategies, and its topics.

use millrace_record::RawConfig;

use crate::transforms::{below, list};

/// Converters behind which there is a registry: their simple names, and their aliases.
const WITH_REGISTRY: [&str; 6] = ["AvroConverter", "JsonSchemaConverter", "ProtobufConverter", "Avro", "JsonSchema", "Protobuf"];

/// `key.subject.name.strategy` and `value.subject.name.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    Topic,
    Record,
    TopicRecord,
}

impl Strategy {
    fn parse(class: &str) -> Strategy {
        match class.trim().rsplit('.').next().unwrap_or_default() {
            "RecordNameStrategy" => Strategy::Record,
            "TopicRecordNameStrategy" => Strategy::TopicRecord,
            _ => Strategy::Topic,
        }
    }

    /// The subject of a topic's keys or values. None: it takes the name of a record, which only its schema tells.
    pub fn subject(self, topic: &str, key: bool, record: Option<&str>) -> Option<String> {
        match (self, record) {
            (Strategy::Topic, _) => Some(format!("{topic}-{}", if key { "key" } else { "value" })),
            (Strategy::Record, Some(record)) => Some(record.to_owned()),
            (Strategy::TopicRecord, Some(record)) => Some(format!("{topic}-{record}")),
            (_, None) => None,
        }
    }
}

/// A key or value converter with a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub key: bool,
    pub strategy: Strategy,
    /// The converter's own settings.
    pub settings: RawConfig,
}

/// The converters of a connector that have a registry. The worker's count where the connector names none.
pub fn roles(config: &RawConfig, worker: &RawConfig) -> Vec<Role> {
    let role = |name: &str| {
        let setting = format!("{name}.converter");
        let of = if config.contains_key(&setting) { config } else { worker };
        let class = of.get(&setting)?.trim();
        let simple = class.rsplit('.').next().unwrap_or(class);
        if !WITH_REGISTRY.contains(&simple) {
            return None;
        }
        let settings = below(of, &format!("{setting}."));
        let strategy = settings.get(&format!("{name}.subject.name.strategy")).map_or(Strategy::Topic, |s| Strategy::parse(s));
        Some(Role { key: name == "key", strategy, settings })
    };
    ["key", "value"].into_iter().filter_map(role).collect()
}

/// The topics of a sink that its configuration names.
pub fn named_topics(config: &RawConfig) -> Vec<String> {
    list(config.get("topics"))
}

/// What a connector says itself of whether it stops at an incompatible schema.
pub fn stops(config: &RawConfig) -> Option<bool> {
    let written = config.get(STOP)?.trim();
    (!written.is_empty()).then(|| written.eq_ignore_ascii_case("true"))
}

/// The setting of a sink.
pub const STOP: &str = "stop_on_incompatible_schema";

/// The table behind a topic, as far as settings that connectors have in common tell: a sink's format of table names, or the
/// prefix that a source of change events puts before schema and table.
pub fn table(config: &RawConfig, sink: bool, topic: &str) -> Option<String> {
    if sink {
        let format = ["table.name.format", "collection.name.format"].iter().find_map(|k| config.get(*k))?;
        return Some(format.replace("${topic}", topic));
    }
    let prefix = config.get("topic.prefix")?.trim();
    let rest = topic.strip_prefix(prefix)?.strip_prefix('.')?;
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// The name that a schema's record has for the strategies that use it.
pub fn record_name(schema_type: millrace_registry::SchemaType, text: &str) -> Option<String> {
    use millrace_registry::SchemaType::{Avro, Json, Protobuf};
    match schema_type {
        Protobuf => protobuf_name(text),
        Avro | Json => {
            let schema: serde_json::Value = serde_json::from_str(text).ok()?;
            let of = |key: &str| schema.get(key).and_then(|v| v.as_str()).filter(|t| !t.is_empty());
            if schema_type == Json {
                return of("title").map(str::to_owned);
            }
            let name = of("name")?;
            match of("namespace") {
                Some(namespace) if !name.contains('.') => Some(format!("{namespace}.{name}")),
                _ => Some(name.to_owned()),
            }
        }
    }
}

/// The first message of a file, with its package.
fn protobuf_name(text: &str) -> Option<String> {
    let mut package = None;
    for line in text.lines().map(str::trim) {
        let word = |keyword: &str| {
            let rest = line.strip_prefix(keyword)?.strip_prefix(char::is_whitespace)?.trim_start();
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
            (end > 0).then(|| rest[..end].to_owned())
        };
        if let Some(found) = word("package") {
            package = Some(found);
        } else if let Some(message) = word("message") {
            return Some(package.map_or(message.clone(), |p| format!("{p}.{message}")));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> RawConfig {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn roles_are_of_the_connector_then_of_the_worker() {
        let worker = map(&[
            ("key.converter", "io.confluent.connect.avro.AvroConverter"),
            ("key.converter.schema.registry.url", "http://w"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ]);
        let mine = map(&[
            ("value.converter", "ProtobufConverter"),
            ("value.converter.schema.registry.url", "http://c"),
            ("value.converter.value.subject.name.strategy", "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy"),
        ]);
        let found = roles(&mine, &worker);
        let found: Vec<_> = found.iter().map(|r| (r.key, r.strategy, r.settings["schema.registry.url"].as_str())).collect();
        assert_eq!(found, [(true, Strategy::Topic, "http://w"), (false, Strategy::TopicRecord, "http://c")]);
        assert!(roles(&map(&[("key.converter", "StringConverter")]), &worker).is_empty());
    }

    #[test]
    fn subjects() {
        assert_eq!(Strategy::Topic.subject("t", true, None).as_deref(), Some("t-key"));
        assert_eq!(Strategy::Topic.subject("t", false, Some("a.R")).as_deref(), Some("t-value"));
        assert_eq!(Strategy::Record.subject("t", false, Some("a.R")).as_deref(), Some("a.R"));
        assert_eq!(Strategy::TopicRecord.subject("t", false, Some("a.R")).as_deref(), Some("t-a.R"));
        assert_eq!(Strategy::Record.subject("t", false, None), None);
    }

    #[test]
    fn tables_and_names() {
        let source = map(&[("topic.prefix", "db1")]);
        assert_eq!(table(&source, false, "db1.public.orders").as_deref(), Some("public.orders"));
        assert_eq!(table(&source, false, "db12.public.orders"), None);
        assert_eq!(table(&map(&[("table.name.format", "s.${topic}")]), true, "t").as_deref(), Some("s.t"));
        use millrace_registry::SchemaType::{Avro, Json, Protobuf};
        let avro = r#"{"type":"record","name":"R","namespace":"a","fields":[]}"#;
        assert_eq!(record_name(Avro, avro).as_deref(), Some("a.R"));
        assert_eq!(record_name(Avro, r#""string""#), None);
        assert_eq!(record_name(Json, r#"{"title":"T"}"#).as_deref(), Some("T"));
        let protobuf = "syntax = \"proto3\";\npackage a.b;\n\nmessage First {\n}\nmessage Second {}\n";
        assert_eq!(record_name(Protobuf, protobuf).as_deref(), Some("a.b.First"));
    }
}
