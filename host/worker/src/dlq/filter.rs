//! Which dead letters are meant: the same parameters for lists, summaries, exports and redrives, understood in this one place.

use serde_json::{Map, Value};

use super::index::OutcomeState;
use super::time;

/// Every parameter, in the order in which it is named to whoever writes another.
pub const PARAMETERS: [&str; 11] = [
    "cause",
    "stage",
    "error",
    "connector",
    "plugin_version",
    "source_topic",
    "source_partition",
    "outcome",
    "from",
    "to",
    "text",
];
/// The longest value.
const VALUE_BYTES_MAX: usize = 1_024;

/// A parameter that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("Invalid value {value} for parameter {parameter}: set {remedy}")]
    Value { parameter: String, value: String, remedy: String },
    #[error("Unknown parameter {0}: use {known}", known = PARAMETERS.join(", "))]
    Unknown(String),
}

/// What a dead letter must be; what is not given, it may be anything in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The id of a cause, as the summary and every record show it.
    pub cause: Option<String>,
    pub stage: Option<String>,
    pub error: Option<String>,
    pub connector: Option<String>,
    pub plugin_version: Option<String>,
    pub source_topic: Option<String>,
    pub source_partition: Option<i32>,
    pub outcome: Option<OutcomeState>,
    /// The first millisecond since the epoch that counts.
    pub from: Option<i64>,
    /// The first one that does not.
    pub to: Option<i64>,
    /// In the error's message, in upper or lower case.
    pub text: Option<String>,
}

impl Filter {
    /// Takes one parameter; false: it is none of a filter's.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, FilterError> {
        if !PARAMETERS.contains(&name) {
            return Ok(false);
        }
        let wrong = |remedy: &str| {
            let value = super::cause::cut(value, 100);
            FilterError::Value { parameter: name.to_owned(), value, remedy: remedy.to_owned() }
        };
        if value.is_empty() || value.len() > VALUE_BYTES_MAX {
            return Err(wrong(&format!("1 to {VALUE_BYTES_MAX} bytes, or leave it out")));
        }
        let text = || Some(value.to_owned());
        let instant =
            || time::parse(value).ok_or_else(|| wrong("a time such as 2026-11-22T05:00:00Z, or milliseconds since the epoch"));
        match name {
            "cause" => self.cause = text(),
            "stage" => self.stage = Some(value.to_ascii_uppercase()),
            "error" => self.error = text(),
            "connector" => self.connector = text(),
            "plugin_version" => self.plugin_version = text(),
            "source_topic" => self.source_topic = text(),
            "source_partition" => {
                let partition = value.parse().ok().filter(|p: &i32| *p >= 0);
                self.source_partition = Some(partition.ok_or_else(|| wrong("a partition's number, from 0"))?);
            }
            "outcome" => {
                let names = OutcomeState::ALL.map(OutcomeState::name).join(", ");
                self.outcome = Some(OutcomeState::parse(value).ok_or_else(|| wrong(&format!("one of: {names}")))?);
            }
            "from" => self.from = Some(instant()?),
            "to" => self.to = Some(instant()?),
            _ => self.text = text(),
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(wrong("\"from\" to a time before \"to\""));
        }
        Ok(true)
    }

    /// A filter as an object of a request's body: texts and numbers; null is as if it were not there.
    pub fn from_json(given: &Map<String, Value>) -> Result<Filter, FilterError> {
        let mut filter = Filter::default();
        for (name, value) in given {
            let value = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if !filter.take(name, &value)? {
                return Err(FilterError::Unknown(name.clone()));
            }
        }
        Ok(filter)
    }

    /// The same as an object that [`Filter::from_json`] takes.
    pub fn to_json(&self) -> Map<String, Value> {
        let given: [(&str, Option<Value>); 11] = [
            ("cause", self.cause.clone().map(Value::from)),
            ("stage", self.stage.clone().map(Value::from)),
            ("error", self.error.clone().map(Value::from)),
            ("connector", self.connector.clone().map(Value::from)),
            ("plugin_version", self.plugin_version.clone().map(Value::from)),
            ("source_topic", self.source_topic.clone().map(Value::from)),
            ("source_partition", self.source_partition.map(Value::from)),
            ("outcome", self.outcome.map(|o| Value::from(o.name()))),
            ("from", self.from.map(Value::from)),
            ("to", self.to.map(Value::from)),
            ("text", self.text.clone().map(Value::from)),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Result<Filter, String> {
        let Value::Object(map) = value else { unreachable!() };
        Filter::from_json(&map).map_err(|e| e.to_string())
    }

    #[test]
    fn filters_are_read_and_written() {
        let given = json!({"cause": "0a", "stage": "task_put", "source_partition": 3, "outcome": "failed again",
            "from": "2026-11-22T05:00:00Z", "to": 1_900_000_000_000_i64, "text": "no", "connector": null});
        let filter = of(given).unwrap();
        assert_eq!(
            (filter.stage.as_deref(), filter.source_partition, filter.connector.as_deref()),
            (Some("TASK_PUT"), Some(3), None)
        );
        assert_eq!(filter.outcome, Some(OutcomeState::FailedAgain));
        assert_eq!(of(Value::Object(filter.to_json())), Ok(filter));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_remedy() {
        for (given, says) in [
            (json!({"source_partition": -1}), "Invalid value -1 for parameter source_partition: set a partition's number"),
            (json!({"outcome": "gone"}), "waiting, redriven, failed again, discarded"),
            (json!({"from": "yesterday"}), "a time such as 2026-11-22T05:00:00Z"),
            (json!({"from": 5, "to": 5}), "before \"to\""),
            (json!({"stage": ""}), "or leave it out"),
            (json!({"x": 1}), "Unknown parameter x: use cause, stage"),
        ] {
            let error = of(given).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
