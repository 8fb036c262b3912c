//! Kafka Connect's metrics, as Prometheus reads them from `GET /metrics`.
//!
//! Owns: what is counted of the worker itself ([`Metrics`]), the windows over which averages and rates are taken
//! ([`Sampled`]), and the page. What a task counts lies with the task, in its `Counters`: the page holds them weakly, so that
//! the series of a task end with it.
//!
//! Promises: each name is the one that the Prometheus JMX exporter makes of Connect's attribute by its default rules in
//! lower case, `kafka_connect_<group>_<attribute>`, and each value is computed as Connect does. Counting is by the batch.
//!
//! Never: labels other than connector, task and the text of a text attribute; but for the figures of plugins, whose labels
//! the sandbox has bounded.

mod clock;
mod connectors;
mod page;
mod plugins;
mod registry;
mod sampled;
mod schemas;
mod tasks;
mod text;

pub use clock::Clock;
pub use page::page;
pub(crate) use registry::shares;
pub use registry::{Metrics, Rebalancing};
pub use sampled::Sampled;
pub use text::CONTENT_TYPE;

#[cfg(test)]
mod tests;
