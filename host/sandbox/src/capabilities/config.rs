//! `config`: the task's configuration, secrets hidden. A key that was not given has its default.

use millrace_record::config::Default as Given;

use crate::bindings::config::Host;
use crate::state::State;

impl Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.owner.keys.value(self.owner.settings.shown(), &key).map(str::to_owned))
    }

    fn all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let mut all = self.owner.settings.shown().clone();
        for key in &self.owner.keys.keys {
            if let Given::Value(value) = &key.default {
                all.entry(key.name.clone()).or_insert_with(|| value.clone());
            }
        }
        Ok(all.into_iter().collect())
    }
}
