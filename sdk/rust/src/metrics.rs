//! Figures of the plugin's own; the host adds the connector and the task. Labels are few: never a key or an offset.

#[cfg(target_arch = "wasm32")]
use crate::bindings::host::millrace::plugin::metrics as host;

#[cfg(target_arch = "wasm32")]
fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

/// Adds to a counter. Under `cargo test` figures go nowhere.
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn counter_add(name: &str, labels: &[(&str, &str)], delta: u64) {
    #[cfg(target_arch = "wasm32")]
    host::counter_add(name, &owned(labels), delta);
}
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn gauge_set(name: &str, labels: &[(&str, &str)], value: f64) {
    #[cfg(target_arch = "wasm32")]
    host::gauge_set(name, &owned(labels), value);
}
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn histogram_record(name: &str, labels: &[(&str, &str)], value: f64) {
    #[cfg(target_arch = "wasm32")]
    host::histogram_record(name, &owned(labels), value);
}
