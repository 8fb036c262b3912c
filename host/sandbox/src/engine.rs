//! The engine all plugins share, and its settings.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::types::{self, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ProfilingStrategy};

use crate::alerts::Alerts;
use crate::cache::Cache;
use crate::call::Ticker;
use crate::capabilities::cache::Caches;
use crate::capabilities::http::hosts::Hosts;
use crate::capabilities::http::resolve::{Resolver, System};
use crate::capabilities::kafka::topics::Topics;
use crate::capabilities::{CAPABILITIES, wasi};
use crate::error::SandboxError;
use crate::metrics::Metrics;
use crate::state::State;

/// How much room a guest's address space is given; a memory limit above it is this.
const ADDRESS_SPACE_BYTES: usize = 4 << 30;
/// Stack of a guest; its fiber has as much again for the host's functions.
const GUEST_STACK_BYTES: usize = 1 << 20;
/// Core instances that make up one component: the guest's own, and what `wit-component` puts around it.
const CORE_INSTANCES_PER_COMPONENT: u32 = 8;
/// The most of each that one component may have, of what is set aside for all: a library of Python is an instance and a table.
const CORE_INSTANCES_MAX: u32 = 128;
const MEMORIES_MAX: u32 = 4;
const TABLES_MAX: u32 = 128;
/// Entries that a table of a guest may have.
const TABLE_ELEMENTS_MAX: usize = 50_000;
/// For who profiles a worker: when this is in the environment, `/tmp/perf-PID.map` names the guests' functions for `perf`.
const PERF_MAP: &str = "MILLRACE_PERF_MAP";

/// How plugins are run.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Where compiled code is kept: a directory of the worker's own.
    pub cache_dir: PathBuf,
    /// The most linear memory of an instance, unless the connector says otherwise (`plugin.memory.limit.bytes`).
    pub memory_limit_bytes: u64,
    /// The most computing time of one call, unless the connector says otherwise (`plugin.call.deadline.ms`).
    pub call_deadline: Duration,
    /// The longest that one call may last, waiting included, unless the connector says otherwise (`plugin.call.timeout.ms`).
    pub call_timeout: Duration,
    /// How many instances there may be at a time.
    pub instances_max: u32,
    /// The capabilities that a connector may be granted; none: all.
    pub grants_allowed: Option<Vec<String>>,
    /// The hosts that a connector may let its plugins reach by `http`; none: any.
    pub http_hosts_allowed: Option<Hosts>,
    /// Who knows the addresses of the names that plugins reach by `http`.
    pub resolver: Arc<dyn Resolver>,
    /// The topics that a connector may let its plugins write to by `kafka`; none: any.
    pub kafka_topics_allowed: Option<Topics>,
    /// Topics of the worker's own, which no plugin writes to.
    pub kafka_topics_reserved: Vec<String>,
    /// How much compiled code is kept on disk; what was not used for longest goes first.
    pub cache_bytes_max: u64,
}

impl SandboxConfig {
    /// The defaults: 64 MiB, 5 seconds, half an hour, the system's resolver, 4,000 instances: only address space is set aside for them.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        SandboxConfig {
            cache_dir: cache_dir.into(),
            memory_limit_bytes: 64 << 20,
            call_deadline: Duration::from_secs(5),
            call_timeout: Duration::from_secs(1_800),
            instances_max: 4_000,
            grants_allowed: None,
            http_hosts_allowed: None,
            resolver: Arc::new(System),
            kafka_topics_allowed: None,
            kafka_topics_reserved: Vec::new(),
            cache_bytes_max: 2 << 30,
        }
    }
}

/// Runs plugins. Cloning shares the engine.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub engine: Engine,
    pub config: SandboxConfig,
    pub ticker: Arc<Ticker>,
    pub metrics: Arc<Metrics>,
    pub alerts: Arc<Alerts>,
    pub cache: Cache,
    pub caches: Caches,
}

impl Sandbox {
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let engine = Engine::new(&settings(Some(config.instances_max))).or_else(|error| {
            // A limit on address space (`ulimit -v`) leaves no room for the pool: slower to start instances, otherwise the same.
            tracing::warn!(error = %error, "no address space for a pool of instances; each is allocated by itself");
            Engine::new(&settings(None))
        });
        let engine = engine.map_err(|e| SandboxError::Engine(format!("{e:#}")))?;
        let mut hash = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hash);
        let cache = Cache::open(&config.cache_dir, hash.finish(), config.cache_bytes_max)
            .map_err(|source| SandboxError::CacheDir { dir: config.cache_dir.clone(), source })?;
        let ticker = Ticker::start(&engine).map_err(SandboxError::Ticker)?;
        Ok(Sandbox {
            inner: Arc::new(Inner {
                engine,
                config,
                ticker,
                metrics: Arc::default(),
                alerts: Arc::default(),
                cache,
                caches: Caches::default(),
            }),
        })
    }

    /// The figures that plugins keep.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// What plugins tell people.
    pub fn alerts(&self) -> &Arc<Alerts> {
        &self.inner.alerts
    }
}

impl Inner {
    /// What every plugin may import, and the named capabilities.
    pub fn linker(&self, component: &Component, granted: &BTreeSet<&str>) -> wasmtime::Result<Linker<State>> {
        let mut linker = Linker::new(&self.engine);
        self.link(&mut linker, component, granted)?;
        Ok(linker)
    }

    /// What every plugin may import; all else that the component asks for traps when it is used.
    pub fn bare_linker(&self, component: &Component) -> wasmtime::Result<Linker<State>> {
        let mut linker = Linker::new(&self.engine);
        // Not of wasmtime's own making (`define_unknown_imports_as_traps`): that takes a version of WASI that is not the very one
        // that the host has for unknown.
        for (import, item) in component.component_type().imports(&self.engine) {
            if let (false, ComponentItem::ComponentInstance(instance)) = (wasi::offers(import), item.ty) {
                trap_instead(&mut linker.instance(import)?, import, &instance, &self.engine)?;
            }
        }
        linker.allow_shadowing(true);
        self.link(&mut linker, component, &BTreeSet::new())?;
        Ok(linker)
    }

    fn link(&self, linker: &mut Linker<State>, component: &Component, granted: &BTreeSet<&str>) -> wasmtime::Result<()> {
        if component.component_type().imports(&self.engine).any(|(import, _)| wasi::offers(import)) {
            wasi::link(linker)?;
        }
        for capability in CAPABILITIES.iter().filter(|c| c.free || granted.contains(c.name)) {
            (capability.link)(linker)?;
        }
        Ok(())
    }
}

/// Functions that trap in place of all that an interface has.
fn trap_instead(
    linker: &mut LinkerInstance<'_, State>,
    interface: &str,
    instance: &types::ComponentInstance,
    engine: &Engine,
) -> wasmtime::Result<()> {
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) => {
                let what = format!("{interface}#{name}");
                linker.func_new(name, move |_, _, _, _| Err(wasmtime::format_err!("{what} may not be used here")))?;
            }
            ComponentItem::Resource(_) => linker.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?,
            _ => {}
        }
    }
    Ok(())
}

/// The engine's settings; `pool`: how many instances there is room for from the start.
fn settings(pool: Option<u32>) -> Config {
    let mut config = Config::new();
    if let Some(instances) = pool {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
            .total_memories(instances)
            .total_tables(instances.saturating_mul(2))
            .max_core_instances_per_component(CORE_INSTANCES_MAX)
            .max_memories_per_component(MEMORIES_MAX)
            .max_tables_per_component(TABLES_MAX)
            .total_stacks(instances)
            .table_elements(TABLE_ELEMENTS_MAX)
            .max_core_instance_size(4 << 20)
            .max_component_instance_size(4 << 20)
            .max_memory_size(ADDRESS_SPACE_BYTES);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).memory_reservation(ADDRESS_SPACE_BYTES as u64);
    }
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(2 * GUEST_STACK_BYTES)
        .wasm_component_model(true);
    if std::env::var_os(PERF_MAP).is_some() {
        config.profiler(ProfilingStrategy::PerfMap);
    }
    config
}
