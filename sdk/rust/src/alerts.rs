//! Tells people of what a plugin has noticed: in the log, over REST, at webhooks, as the worker's schema monitor is set.

pub use crate::bindings::host::millrace::plugin::alerts::{ColumnChange, Difference, TableChange};

/// What a source reads has another shape from here on. Under `cargo test` it goes nowhere.
#[cfg_attr(not(target_arch = "wasm32"), allow(unused_variables))]
pub fn table_changed(change: &TableChange) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::host::millrace::plugin::alerts::table_changed(change);
}
