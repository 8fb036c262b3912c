//! Runs plugins: WebAssembly components, each task an instance of its own, with a memory limit, a limit on computing time
//! and no way out but the capabilities that were granted.
//!
//! It implements the traits of `millrace-record` ([`Plugin`](millrace_record::Plugin), `SourceTask`, `SinkTask`,
//! `Transform`) for components, so the worker never knows that there are any. It names no plugin: what a component is
//! called, which keys it has and what it reaches is what the component says of itself.
//!
//! What comes from a guest is checked once, here: a buffer that is no batch, a count that cannot be, an offset that is no
//! JSON fail the call as a trap would, by the plugin's name, and nothing of the answer is used.

mod alerts;
#[doc(hidden)]
pub mod bindings;
mod cache;
mod call;
mod capabilities;
pub mod componentize;
pub mod contents;
mod engine;
mod error;
mod grants;
mod instance;
mod limits;
mod load;
mod metrics;
mod plugin;
mod scan;
mod settings;
mod state;
mod tasks;
mod trap;
mod wit;

pub use alerts::{Alerts, ColumnChange, Difference, TableChange};
pub use capabilities::http::hosts::{Hosts, HostsError};
pub use capabilities::http::resolve::Resolver;
pub use capabilities::kafka::topics::Topics;
pub use engine::{Sandbox, SandboxConfig};
pub use error::{LoadError, SandboxError};
pub use grants::grantable;
pub use load::{Loaded, give_back_memory};
pub use metrics::{BUCKETS as HISTOGRAM_BUCKETS, Figure, FigureKind, Metrics};
pub use scan::Refused;
