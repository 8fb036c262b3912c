//! For `scripts/bench.sh plugins`: masks an e-mail address as the example `mask-email` does, in the plain world.

use millrace_plugin::{Error, PlainOutcome, PlainRecord, PlainTransform, PluginInfo, TaskContext, export_plain};
use serde_json::{Map, Value};

export_plain!(MaskPlain);

struct MaskPlain;

impl PlainTransform for MaskPlain {
    fn info() -> PluginInfo {
        PluginInfo::transform("mask-plain-bench", env!("CARGO_PKG_VERSION")).doc("Masks the e-mail address in \"email\".")
    }

    fn configure(_: TaskContext) -> Result<Self, Error> {
        Ok(MaskPlain)
    }

    fn apply(&mut self, record: &PlainRecord) -> Result<PlainOutcome, Error> {
        let Some(text) = &record.value else { return Ok(PlainOutcome::Unchanged) };
        let mut value: Map<String, Value> =
            serde_json::from_str(text).map_err(|e| Error::fatal("mask-plain.no-json", e.to_string()))?;
        let Some(Value::String(address)) = value.get_mut("email") else { return Ok(PlainOutcome::Unchanged) };
        let Some((local, domain)) = address.split_once('@') else { return Ok(PlainOutcome::Unchanged) };
        let first: String = local.chars().take(1).collect();
        *address = format!("{first}{}@{domain}", "*".repeat(local.chars().count().saturating_sub(1)));
        let value = serde_json::to_string(&value).map_err(|e| Error::fatal("mask-plain.json", e.to_string()))?;
        Ok(PlainOutcome::record(PlainRecord { value: Some(value), ..record.clone() }))
    }
}
