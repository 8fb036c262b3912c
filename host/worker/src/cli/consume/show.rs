//! A record as a person reads it: as what its bytes are, or as a converter understands them.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use millrace_record::convert::{Converter, NotConverted};
use millrace_record::{RawConfig, Schemas};
use millrace_row::{Row, RowBuf};
use millrace_worker::registry::clients::Registries;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Text,
    Json,
}

/// What is shown of a record, and how.
pub struct Show {
    output: Output,
    keys: bool,
    headers: bool,
    /// With several topics each line begins with its own.
    topics: bool,
    key: Option<Decode>,
    value: Option<Decode>,
}

/// A line of `--output json`.
#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Shown,
    value: Shown,
    headers: Vec<Header<'a>>,
}

#[derive(Serialize)]
struct Header<'a> {
    key: &'a str,
    value: Shown,
}

impl Show {
    /// `converters` holds `key.converter`, `value.converter` and what is below them.
    pub fn new(converters: &RawConfig, output: Output, keys: bool, headers: bool, topics: bool) -> anyhow::Result<Self> {
        let (key, value) = (Decode::new(converters, "key")?, Decode::new(converters, "value")?);
        Ok(Show { output, keys, headers, topics, key, value })
    }

    pub fn record(&mut self, out: &mut impl Write, message: &BorrowedMessage<'_>) -> anyhow::Result<()> {
        let key = shown(&mut self.key, message, message.key())?;
        let value = shown(&mut self.value, message, message.payload())?;
        let headers = message.headers().into_iter().flat_map(|all| all.iter());
        let headers: Vec<_> = headers.map(|h| Header { key: h.key, value: guess(h.value) }).collect();
        if self.output == Output::Json {
            let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
            let line = Line { topic, partition, offset, timestamp: message.timestamp().to_millis(), key, value, headers };
            return Ok(writeln!(out, "{}", serde_json::to_string(&line)?)?);
        }
        if self.topics {
            write!(out, "{} ", message.topic())?;
        }
        if self.keys {
            write!(out, "{} ", key.text())?;
        }
        writeln!(out, "{}", value.text())?;
        if self.headers {
            for header in headers {
                writeln!(out, "  {}: {}", header.key, header.value.text())?;
            }
        }
        Ok(())
    }
}

/// JSON as it was written, text, or null.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Shown {
    Json(Box<RawValue>),
    Text(String),
    Null,
}

impl Shown {
    /// On a line of its own: text without quotes.
    fn text(&self) -> Cow<'_, str> {
        match self {
            Shown::Json(json) => json.get().into(),
            Shown::Text(text) => text.into(),
            Shown::Null => "null".into(),
        }
    }
}

fn shown(decode: &mut Option<Decode>, message: &BorrowedMessage<'_>, bytes: Option<&[u8]>) -> anyhow::Result<Shown> {
    let Some(decode) = decode else { return Ok(guess(bytes)) };
    decode.read(message.topic(), bytes).map_err(|why| {
        let (topic, partition, offset, class, role) =
            (message.topic(), message.partition(), message.offset(), &decode.class, decode.role);
        anyhow::anyhow!(
            "{class} cannot read the {role} of {topic}-{partition}@{offset}: {why}; name another with --set \
             {role}.converter=..., or none, to see what is there"
        )
    })
}

/// Bytes as what they show to be: JSON, text, else `base64:...`.
fn guess(bytes: Option<&[u8]>) -> Shown {
    let Some(bytes) = bytes else { return Shown::Null };
    let Ok(text) = std::str::from_utf8(bytes) else { return base64(bytes) };
    // A bare number or word may just as well be text that looks like one.
    if text.trim_start().starts_with(['{', '['])
        && let Ok(json) = serde_json::from_str::<&RawValue>(text)
    {
        return Shown::Json(one_line(json));
    }
    if text.chars().all(|c| !c.is_control() || c.is_whitespace()) { Shown::Text(text.to_owned()) } else { base64(bytes) }
}

fn base64(bytes: &[u8]) -> Shown {
    Shown::Text(format!("base64:{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}

/// Every digit as it was written, on one line: in JSON a line break is white space, never part of a string.
fn one_line(json: &RawValue) -> Box<RawValue> {
    let text = json.get();
    if !text.contains(['\n', '\r']) {
        return json.to_owned();
    }
    let flat = text.replace(['\n', '\r'], " ");
    RawValue::from_string(flat).unwrap_or_else(|_| json.to_owned())
}

/// Reads keys, or values, with a converter, and writes what it understood as JSON.
struct Decode {
    role: &'static str,
    class: String,
    from: Box<dyn Converter>,
    /// Where a converter of a registry asks it.
    runtime: tokio::runtime::Runtime,
    to: Box<dyn Converter>,
}

impl Decode {
    fn new(converters: &RawConfig, role: &'static str) -> anyhow::Result<Option<Self>> {
        let key = format!("{role}.converter");
        let Some(class) = converters.get(&key) else { return Ok(None) };
        let prefix = format!("{key}.");
        let own = converters.iter().filter_map(|(k, v)| Some((k.strip_prefix(&prefix)?.to_owned(), v.clone()))).collect();
        let schemas = Schemas::new();
        let registries = Registries::default();
        let make =
            |class: &str, config: &RawConfig, schemas: &Arc<Schemas>| registries.converter(class, role == "key", config, schemas);
        let from = make(class, &own, &schemas).map_err(|e| anyhow::anyhow!("--set {key}={class}: {e}"))?;
        let plain = [("schemas.enable", "false"), ("decimal.format", "NUMERIC")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let to = make("JsonConverter", &RawConfig::from(plain), &schemas).map_err(anyhow::Error::msg)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Some(Decode { role, class: class.clone(), from, runtime, to }))
    }

    fn read(&mut self, topic: &str, bytes: Option<&[u8]>) -> anyhow::Result<Shown> {
        let mut rows = RowBuf::new();
        let schema = loop {
            match self.from.decode(topic, bytes, &mut rows) {
                Ok(schema) => break schema,
                Err(NotConverted::Wait(wait)) => self.runtime.block_on(wait)?,
                Err(failed) => return Err(failed.failed().into()),
            }
        };
        let Some(schema) = schema else { return Ok(Shown::Null) };
        let mut json = Vec::new();
        if !self.to.encode(topic, schema, Row::new(rows.as_bytes()), &mut json).map_err(NotConverted::failed)? {
            return Ok(Shown::Null);
        }
        let json = String::from_utf8(json)?;
        // A string is shown as one: without quotes on a line, with them in JSON.
        if let Ok(text) = serde_json::from_str::<String>(&json) {
            return Ok(Shown::Text(text));
        }
        Ok(Shown::Json(one_line(&RawValue::from_string(json)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        for (bytes, text, json) in [
            (None, "null", "null"),
            (Some(&b"{\"a\":1}"[..]), "{\"a\":1}", "{\"a\":1}"),
            // No digit and no name is lost on the way.
            (
                Some(b"{\"b\":1.10,\"a\":123456789012345678901}"),
                "{\"b\":1.10,\"a\":123456789012345678901}",
                "{\"b\":1.10,\"a\":123456789012345678901}",
            ),
            (Some(b"{\n \"a\":\r\n1}"), "{  \"a\":  1}", "{  \"a\":  1}"),
            (Some(b"{a"), "{a", "\"{a\""),
            (Some(b"12"), "12", "\"12\""),
            (Some(b""), "", "\"\""),
            (Some("naïve \"x\"".as_bytes()), "naïve \"x\"", "\"naïve \\\"x\\\"\""),
            (Some(&[0, 0xff]), "base64:AP8=", "\"base64:AP8=\""),
            (Some(b"\x1b[2J"), "base64:G1sySg==", "\"base64:G1sySg==\""),
        ] {
            let shown = guess(bytes);
            assert_eq!((shown.text().as_ref(), serde_json::to_string(&shown).unwrap().as_str()), (text, json));
        }
    }

    fn decode(sets: &[(&str, &str)], bytes: Option<&[u8]>) -> Result<String, String> {
        let config: RawConfig = sets.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut decode = Decode::new(&config, "value").map_err(|e| e.to_string())?.unwrap();
        decode.read("t", bytes).map(|s| s.text().into_owned()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_converter_says_what_it_understands() {
        let json = ("value.converter", "JsonConverter");
        let with_schema = br#"{"schema":{"type":"int32","optional":false},"payload":7}"#;
        assert_eq!(decode(&[json], Some(with_schema)).unwrap(), "7");
        assert_eq!(decode(&[json], None).unwrap(), "null");
        assert_eq!(decode(&[json, ("value.converter.schemas.enable", "false")], Some(br#"{"a":1}"#)).unwrap(), r#"{"a":1}"#);
        assert_eq!(decode(&[("value.converter", "LongConverter")], Some(&[0, 0, 0, 0, 0, 0, 0, 9])).unwrap(), "9");
        assert_eq!(
            decode(&[("value.converter", "org.apache.kafka.connect.storage.StringConverter")], Some(b"12")).unwrap(),
            "12"
        );
        assert!(decode(&[("value.converter", "LongConverter")], Some(b"x")).is_err());
        let error = decode(&[("value.converter", "Thrift")], None).unwrap_err();
        assert!(error.contains("value.converter=Thrift") && error.contains("JsonConverter"), "{error}");
    }
}
