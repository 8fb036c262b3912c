//! What the host does for plugins, one module each. A new capability is one WIT file, one module and its line below.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings;
use crate::state::State;

mod alerts;
pub(crate) mod cache;
mod clock;
mod config;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod kafka;
pub(crate) mod logging;
mod metrics;
pub(crate) mod postgres;
mod random;
pub(crate) mod records;
pub(crate) mod redis;
pub(crate) mod secrets;
pub(crate) mod state;
pub(crate) mod wasi;

/// An interface that the host offers.
pub(crate) struct Capability {
    /// The interface's name, and that of its grant.
    pub name: &'static str,
    /// Every plugin has it, without a grant.
    pub free: bool,
    pub link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
}

macro_rules! capability {
    ($name:literal, $free:literal, $interface:ident) => {
        Capability {
            name: $name,
            free: $free,
            link: |linker| bindings::$interface::add_to_linker::<State, HasSelf<State>>(linker, |state| state),
        }
    };
}

pub(crate) const CAPABILITIES: &[Capability] = &[
    capability!("types", true, types),
    capability!("logging", true, logging),
    capability!("metrics", true, metrics),
    capability!("alerts", true, alerts),
    capability!("config", true, config),
    capability!("clock", true, clock),
    capability!("random", true, random),
    capability!("cache", true, cache),
    capability!("state", true, state),
    capability!("secrets", true, secrets),
    Capability { name: "records", free: true, link: records::link },
    capability!("files", false, files),
    capability!("postgres", false, postgres),
    capability!("http", false, http),
    capability!("redis", false, redis),
    capability!("kafka", false, kafka),
];

impl bindings::types::Host for State {}
