//! One file of `tests/`: settings, records that go in, and what is expected to come out.

use std::path::Path;

use anyhow::{Context, bail};
use indexmap::IndexMap;
use millrace_record::{Plugin, RawConfig, RecordFailure, TaskError};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::host::Host;
use super::super::records::{Codec, Part, Shown, Written};
use super::diff::{Difference, differences};

/// What may stand in an expected record; what is left out of one is not compared.
const EXPECTED_KEYS: [&str; 6] = ["topic", "partition", "timestamp", "key", "value", "headers"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// For people.
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default)]
    config: Map<String, Value>,
    /// Capabilities granted besides those that the project asks for.
    #[serde(default)]
    grants: Vec<String>,
    input: Vec<Written>,
    expected: Option<Vec<Map<String, Value>>>,
    #[serde(default)]
    expected_failures: Vec<Failure>,
    /// Words of the error with which the settings or the whole batch are refused.
    expected_error: Option<String>,
}

/// A record that fails alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    /// Its place in `input`.
    record: u32,
    code: Option<String>,
    /// Words of what is said.
    message: Option<String>,
}

/// What a transform made of a case's records.
pub struct Ran {
    records: Vec<Shown>,
    failures: Vec<RecordFailure>,
    /// Nothing came out.
    error: Option<TaskError>,
}

impl Case {
    pub fn read(file: &Path) -> anyhow::Result<Case> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let case: Case = serde_json::from_str(&text).with_context(|| format!("{} is no test case", file.display()))?;
        for (i, record) in case.expected.iter().flatten().enumerate() {
            if let Some(key) = record.keys().find(|k| !EXPECTED_KEYS.contains(&k.as_str())) {
                bail!("{}: expected record {i} has \"{key}\": use {}", file.display(), EXPECTED_KEYS.join(", "));
            }
        }
        Ok(case)
    }

    /// Sends the records through a fresh instance, in one batch.
    pub fn run(&self, host: &Host, plugin: &dyn Plugin, codec: &mut Codec) -> anyhow::Result<Ran> {
        let config: RawConfig = self.config.iter().map(|(k, v)| (k.clone(), setting(v))).collect();
        let batch = codec.read(&self.input).context("\"input\"")?;
        let outcome = host.transform(plugin, &config, &self.grants).and_then(|mut transform| {
            let outcome = host.wait(transform.apply(&batch));
            host.wait(transform.close());
            outcome
        });
        Ok(match outcome {
            Ok(outcome) => Ran { records: codec.write(&outcome.records)?, failures: outcome.failures, error: None },
            Err(error) => Ran { records: Vec::new(), failures: Vec::new(), error: Some(error) },
        })
    }

    /// What is not as expected, a line each; empty: nothing.
    pub fn judge(&self, ran: &Ran) -> Vec<String> {
        match (&self.expected_error, &ran.error) {
            (Some(words), Some(error)) if said(error).contains(words.as_str()) => return Vec::new(),
            (Some(words), Some(error)) => return vec![format!("expected an error with {words:?}, found: {}", said(error))],
            (Some(words), None) => return vec![format!("expected an error with {words:?}, found {} records", ran.records.len())],
            (None, Some(error)) => return vec![format!("it failed: {}", said(error))],
            (None, None) => {}
        }
        let mut wrong = Vec::new();
        self.judge_failures(ran, &mut wrong);
        match &self.expected {
            None if self.expected_failures.is_empty() => {
                wrong.push("it has neither \"expected\" nor \"expected_failures\": write them, or run with --update".to_owned());
            }
            expected => {
                let expected = expected.as_deref().unwrap_or_default();
                for (i, actual) in ran.records.iter().enumerate() {
                    match expected.get(i) {
                        Some(expected) => wrong.extend(compare(expected, actual).iter().map(|d| format!("record {i}: {d}"))),
                        None => wrong.push(format!("record {i}: not expected: {}", Value::Object(actual.json()))),
                    }
                }
                for (i, missing) in expected.iter().enumerate().skip(ran.records.len()) {
                    wrong.push(format!("record {i}: expected, but it did not come: {}", Value::Object(missing.clone())));
                }
            }
        }
        wrong
    }

    fn judge_failures(&self, ran: &Ran, wrong: &mut Vec<String>) {
        for expected in &self.expected_failures {
            let at = expected.record;
            let Some(found) = ran.failures.iter().find(|f| f.row == at) else {
                wrong.push(format!("input record {at}: expected to fail, but it did not"));
                continue;
            };
            if let Some(code) = expected.code.as_ref().filter(|code| **code != found.code) {
                wrong.push(format!("input record {at}: expected to fail with the code {code:?}, found {:?}", found.code));
            }
            if let Some(words) = expected.message.as_ref().filter(|words| !found.message.contains(words.as_str())) {
                wrong.push(format!("input record {at}: expected to fail with {words:?}, found {:?}", found.message));
            }
        }
        for found in ran.failures.iter().filter(|f| !self.expected_failures.iter().any(|e| e.record == f.row)) {
            wrong.push(format!("input record {}: failed with {}: {}", found.row, found.code, found.message));
        }
    }
}

fn said(error: &TaskError) -> String {
    format!("{}: {}", error.code, error.message)
}

/// A setting as a connector's JSON has it.
fn setting(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What differs in what is expected of a record.
fn compare(expected: &Map<String, Value>, actual: &Shown) -> Vec<Difference> {
    let mut out = Vec::new();
    for (name, expected) in expected {
        let actual = match name.as_str() {
            "topic" => Value::from(actual.topic.clone()),
            "partition" => json!(actual.partition),
            "timestamp" => json!(actual.timestamp),
            "key" => form(&actual.key, expected),
            "value" => form(&actual.value, expected),
            _ => Value::Object(actual.headers.clone()),
        };
        differences(name, expected, &actual, &mut out);
    }
    out
}

/// A key or value in the form in which it is expected, with its schema or without.
fn form(part: &Part, expected: &Value) -> Value {
    let envelope = expected.as_object().is_some_and(|o| o.len() == 2 && o.contains_key("schema") && o.contains_key("payload"));
    match &part.envelope {
        Some(full) if envelope => full.clone(),
        _ => part.bare.clone(),
    }
}

/// The text of a case with what came out as what is expected; all else stays as it is written.
pub fn updated(text: &str, ran: &Ran) -> anyhow::Result<String> {
    let mut members: IndexMap<String, Box<RawValue>> = serde_json::from_str(text)?;
    for key in ["expected", "expected_failures", "expected_error"] {
        members.shift_remove(key);
    }
    let mut set = |key: &str, value: Value| -> anyhow::Result<()> {
        let pretty = serde_json::to_string_pretty(&value)?.replace('\n', "\n  ");
        members.insert(key.to_owned(), RawValue::from_string(pretty)?);
        Ok(())
    };
    match &ran.error {
        Some(error) => set("expected_error", error.message.clone().into())?,
        None => {
            set("expected", ran.records.iter().map(|r| Value::Object(r.json())).collect())?;
            if !ran.failures.is_empty() {
                let failure = |f: &RecordFailure| json!({"record": f.row, "code": f.code, "message": f.message});
                set("expected_failures", ran.failures.iter().map(failure).collect())?;
            }
        }
    }
    let members: Vec<_> = members.iter().map(|(key, value)| format!("  {}: {}", json!(key), value.get())).collect();
    Ok(format!("{{\n{}\n}}\n", members.join(",\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_record::Schemas;

    fn ran(records: &str, failures: Vec<RecordFailure>) -> Ran {
        let records: Vec<Written> = serde_json::from_str(records).unwrap();
        let mut codec = Codec::new(&Schemas::new()).unwrap();
        let batch = codec.read(&records).unwrap();
        Ran { records: codec.write(&batch).unwrap(), failures, error: None }
    }

    fn judged(case: &str, ran: &Ran) -> Vec<String> {
        serde_json::from_str::<Case>(case).unwrap().judge(ran)
    }

    const ENVELOPE: &str = r#"{"schema": {"type": "int32", "optional": false}, "payload": 1}"#;

    #[test]
    fn what_is_left_out_is_not_compared() {
        let out = ran(r#"[{"topic": "t", "key": "k", "value": {"a": 1}}]"#, Vec::new());
        let none: [&str; 0] = [];
        assert_eq!(judged(r#"{"input": [], "expected": [{"value": {"a": 1}}]}"#, &out), none);
        assert_eq!(judged(r#"{"input": [], "expected": [{"topic": "t"}]}"#, &out), none);
        let wrong = judged(r#"{"input": [], "expected": [{"key": "x", "value": {"a": 2}}, {"value": 3}]}"#, &out);
        let said = [
            "record 0: key: expected \"x\", found \"k\"",
            "record 0: value.a: expected 2, found 1",
            "record 1: expected, but it did not come: {\"value\":3}",
        ];
        assert_eq!(wrong, said);
        assert!(judged(r#"{"input": []}"#, &out)[0].contains("run with --update"));
        assert!(judged(r#"{"input": [], "expected": []}"#, &out)[0].starts_with("record 0: not expected: "));
    }

    #[test]
    fn a_schema_is_compared_where_it_is_expected() {
        let out = ran(&format!("[{{\"value\": {ENVELOPE}}}]"), Vec::new());
        for (expected, fits) in [("1", true), (ENVELOPE, true), (&*ENVELOPE.replace("int32", "int64"), false)] {
            let wrong = judged(&format!("{{\"input\": [], \"expected\": [{{\"value\": {expected}}}]}}"), &out);
            assert_eq!(wrong.is_empty(), fits, "{wrong:?}");
        }
    }

    #[test]
    fn failures_are_expected_one_by_one() {
        let failure = RecordFailure { row: 1, retriable: false, code: "mask.refused".into(), message: "no address".into() };
        let out = ran("[]", vec![failure]);
        let check =
            |failures: &str| judged(&format!("{{\"input\": [], \"expected\": [], \"expected_failures\": {failures}}}"), &out);
        assert!(check(r#"[{"record": 1, "code": "mask.refused", "message": "address"}]"#).is_empty());
        assert_eq!(check("[]"), ["input record 1: failed with mask.refused: no address"]);
        assert!(check(r#"[{"record": 1, "code": "x"}]"#)[0].contains("with the code \"x\", found \"mask.refused\""));
        assert!(check(r#"[{"record": 1}, {"record": 0}]"#)[0].contains("input record 0: expected to fail"));
    }

    #[test]
    fn an_update_leaves_the_rest_as_it_is_written() {
        let text = "{\n  \"input\": [ {\"value\": 1.10} ],\n  \"expected\": [7]\n}\n";
        let new = updated(text, &ran(r#"[{"topic": "t", "value": 2}]"#, Vec::new())).unwrap();
        assert!(new.contains("\"input\": [ {\"value\": 1.10} ],\n  \"expected\": [\n    {\n      \"topic\": \"t\",\n"), "{new}");
        assert!(judged(&new, &ran(r#"[{"topic": "t", "value": 2}]"#, Vec::new())).is_empty());
        let failed = Ran { records: Vec::new(), failures: Vec::new(), error: Some(TaskError::config("k", "no such field")) };
        let new = updated(text, &failed).unwrap();
        assert!(new.contains("\"expected_error\": \"no such field\"") && judged(&new, &failed).is_empty(), "{new}");
    }
}
