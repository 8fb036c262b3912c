//! The key, value and header converters of a task.

use millrace_record::convert::{Converter, SIMPLE_HEADER_CONVERTER};
use millrace_record::{RawConfig, TaskError};

use super::{TaskRuntime, TaskSpec};
use crate::transforms::below;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

pub(crate) struct Converters {
    pub key: Box<dyn Converter>,
    pub value: Box<dyn Converter>,
    pub header: Box<dyn Converter>,
}

impl Converters {
    /// The connector's, else the worker's. A connector that names a class brings that class's settings itself, as in
    /// Connect: the worker's are for the worker's class.
    pub fn new(spec: &TaskSpec, runtime: &TaskRuntime) -> Result<Self, TaskError> {
        let make = |role: &str, default: &str| {
            let key = format!("{role}.converter");
            let of: &RawConfig = if spec.connector_config.contains_key(&key) { &spec.connector_config } else { &runtime.worker };
            let class = of.get(&key).map_or(default, |c| c.trim());
            let own = below(of, &format!("{key}."));
            (runtime.converters)(class, role == "key", &own, &runtime.schemas)
                .map_err(|e| TaskError::config(&key, format!("\"{key}\": {e}")))
        };
        Ok(Converters { key: make("key", JSON)?, value: make("value", JSON)?, header: make("header", SIMPLE_HEADER_CONVERTER)? })
    }
}
