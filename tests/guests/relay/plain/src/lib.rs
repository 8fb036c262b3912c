//! What each record's value asks for in its field `do`.

use millrace_plugin::{Error, PlainOutcome, PlainRecord, PlainTransform, PluginInfo, TaskContext, export_plain};
use serde_json::{Value, json};

export_plain!(Edit);

struct Edit;

impl PlainTransform for Edit {
    fn info() -> PluginInfo {
        PluginInfo::transform("plain-edit", env!("CARGO_PKG_VERSION")).doc("Does what the field \"do\" of a value says.")
    }

    fn configure(_: TaskContext) -> Result<Self, Error> {
        Ok(Edit)
    }

    fn apply(&mut self, record: &PlainRecord) -> Result<PlainOutcome, Error> {
        let Some(text) = &record.value else { return Ok(PlainOutcome::Unchanged) };
        let mut value: Value = serde_json::from_str(text).map_err(|e| Error::fatal("edit.no-json", e.to_string()))?;
        let with = |value: &Value| PlainRecord { value: Some(value.to_string()), ..record.clone() };
        Ok(match value["do"].as_str() {
            Some("edit") => {
                value["name"] = json!("edited");
                value["added"] = json!({"n": 1});
                let mut made = with(&value);
                made.headers.push(("by".to_owned(), Some("\"plain\"".to_owned())));
                PlainOutcome::record(PlainRecord { topic: format!("{}-edited", record.topic), ..made })
            }
            Some("drop") => PlainOutcome::dropped(),
            Some("split") => {
                let part = |n: u32| {
                    value["id"] = json!(n);
                    with(&value)
                };
                PlainOutcome::Records((1..=3).map(part).collect())
            }
            Some("fail") => PlainOutcome::poison("edit.asked", "the record asked for it"),
            Some("unfit") => {
                value["id"] = json!(5_000_000_000_u64);
                PlainOutcome::record(with(&value))
            }
            Some("break") => return Err(Error::fatal("edit.broken", "the record broke the batch")),
            Some("same") => PlainOutcome::record(record.clone()),
            _ => PlainOutcome::Unchanged,
        })
    }
}
