//! A dead letter as its connector's converters understand it.

use millrace_record::Batch;
use millrace_record::row::BatchWriter;
use serde_json::{Value, json};

use super::Herder;
use super::dry_run::{Sample, Show, decode};
use crate::task::Converters;

impl Herder {
    /// Key, value and headers, each as JSON, as far as they can be read, and what failed. None: there is no such connector.
    /// `record`'s topic is that from which the connector consumed it.
    pub async fn decoded(&self, connector: &str, record: Sample) -> Option<Value> {
        let config = self.configs.get(connector)?.config;
        let failed =
            |why: String| Some(json!({"key": null, "value": null, "headers": [], "errors": [{"stage": null, "message": why}]}));
        let resolved = match self.resolve(&config).await {
            Ok(resolved) => resolved,
            Err(why) => return failed(why.to_string()),
        };
        let made = Converters::of(&resolved.config, &self.runtime);
        let mut converters = match made {
            Ok(converters) => converters,
            Err(why) => return failed(resolved.concealed(&why.message)),
        };
        let mut show = match Show::new(false, self) {
            Ok(show) => show,
            Err(why) => return failed(why),
        };
        // Each by itself: what can be read is shown beside what cannot.
        let Sample { topic, key, value, headers, .. } = record;
        let of = |key, value, headers| Sample { topic: topic.clone(), key, value, headers, ..Sample::default() };
        let mut answer = json!({"key": null, "value": null, "headers": []});
        let mut errors = Vec::new();
        let mut parts = vec![("key", of(key, None, Vec::new())), ("value", of(None, value, Vec::new()))];
        parts.extend(headers.into_iter().map(|header| ("headers", of(None, None, vec![header]))));
        for (part, sample) in parts {
            let mut writer = BatchWriter::new();
            if let Err((stage, why)) = decode(&mut converters, &sample, &mut writer).await {
                errors.push(json!({"stage": stage, "message": resolved.concealed(&why)}));
                continue;
            }
            let batch = Batch::trusted(writer);
            let Some(record) = batch.view().iter().next() else { continue };
            let mut shown = show.record(&topic, &record);
            match (part, answer[part].as_array_mut()) {
                ("headers", Some(all)) => all.extend(shown["headers"].as_array_mut().into_iter().flat_map(std::mem::take)),
                _ => answer[part] = shown[part].take(),
            }
        }
        answer["errors"] = errors.into();
        Some(answer)
    }
}
