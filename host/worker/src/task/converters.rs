//! The key, value and header converters of a task.

use millrace_record::convert::{BuiltIn, Converter, SIMPLE_HEADER_CONVERTER, Unavailable};
use millrace_record::{ErrorKind, RawConfig, TaskError};

use super::supervise::Failure;
use super::{TaskRuntime, TaskSpec};
use crate::errors::Stage;
use crate::transforms::below;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// What a converter needs cannot be had now. Nothing is wrong with the record: it is never skipped for it, nor does it go to
/// a dead letter queue.
pub(super) fn not_at_hand(stage: Stage, why: Unavailable) -> Failure {
    Failure::new(stage.name(), "convert", TaskError::new(ErrorKind::Retriable, "convert.wait", why.to_string()))
}

pub(crate) struct Converters {
    pub key: Box<dyn Converter>,
    pub value: Box<dyn Converter>,
    pub header: Box<dyn Converter>,
    /// Of key, value and header.
    classes: [String; 3],
}

impl Converters {
    /// The connector's, else the worker's. A connector that names a class brings that class's settings itself, as in
    /// Connect: the worker's are for the worker's class.
    pub fn new(spec: &TaskSpec, runtime: &TaskRuntime) -> Result<Self, TaskError> {
        Self::of(&spec.connector_config, runtime)
    }

    /// The same, of a configuration alone.
    pub fn of(config: &RawConfig, runtime: &TaskRuntime) -> Result<Self, TaskError> {
        let make = |role: &str, default: &str| {
            let key = format!("{role}.converter");
            let of: &RawConfig = if config.contains_key(&key) { config } else { &runtime.worker };
            let class = of.get(&key).map_or(default, |c| c.trim());
            let own = below(of, &format!("{key}."));
            let made = (runtime.converters)(class, role == "key", &own, &runtime.schemas)
                .map_err(|e| TaskError::config(&key, format!("\"{key}\": {e}")))?;
            Ok::<_, TaskError>((made, BuiltIn::find(class).map_or(class, |b| b.class).to_owned()))
        };
        let (key, of_key) = make("key", JSON)?;
        let (value, of_value) = make("value", JSON)?;
        let (header, of_header) = make("header", SIMPLE_HEADER_CONVERTER)?;
        Ok(Converters { key, value, header, classes: [of_key, of_value, of_header] })
    }

    /// The class that works at a stage.
    pub fn class(&self, stage: Stage) -> &str {
        match stage {
            Stage::KeyConverter => &self.classes[0],
            Stage::ValueConverter => &self.classes[1],
            _ => &self.classes[2],
        }
    }
}
