//! One instance of a component, and the frame around every call into it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_record::{ErrorKind, PluginKind, Quota, Schemas, TaskError, Wake};
use tokio::sync::Semaphore;
use wasmtime::Store;
use wasmtime::component::{self, InstancePre, ResourceTable};

use crate::bindings::{first, offsets, plain, plugin, sink, source, transform, types};
use crate::call::{self, Computing, Waits};
use crate::capabilities::logging::Lines;
use crate::engine::Inner;
use crate::grants;
use crate::limits::{HANDED_BYTES_MAX, HANDLES_MAX, Limits, OPEN_MAX};
use crate::state::{Owner, State};
use crate::{trap, wit};

/// A component ready to be instantiated.
#[derive(Clone)]
pub(crate) enum WorldPre {
    Source(source::OnlyPre<State>),
    Sink(sink::OnlyPre<State>),
    Transform(transform::OnlyPre<State>),
    /// A transform over records as simple values.
    Plain(plain::OnlyPre<State>),
    /// A source or sink, for its say on offsets.
    Offsets(offsets::OnlyPre<State>),
}

/// An instance's exports.
pub(crate) enum World {
    Source(source::Only),
    Sink(sink::Only),
    Transform(transform::Only),
    Plain(plain::Only),
    Offsets(offsets::Only),
}

/// Whether a transform is one over records as simple values.
fn is_plain(pre: &InstancePre<State>) -> bool {
    let engine = pre.engine();
    let ty = pre.component().component_type();
    ty.exports(engine).any(|(name, _)| grants::of_contract(name).is_some_and(|(interface, _)| interface == "plain"))
}

impl WorldPre {
    pub fn new(kind: PluginKind, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(match kind {
            PluginKind::Source => WorldPre::Source(source::OnlyPre::new(pre)?),
            PluginKind::Sink => WorldPre::Sink(sink::OnlyPre::new(pre)?),
            PluginKind::Transform if is_plain(&pre) => WorldPre::Plain(plain::OnlyPre::new(pre)?),
            PluginKind::Transform => WorldPre::Transform(transform::OnlyPre::new(pre)?),
        })
    }

    /// None: the component does not export `offsets`.
    pub fn offsets(&self) -> Option<WorldPre> {
        let pre = match self {
            WorldPre::Source(pre) => pre.instance_pre(),
            WorldPre::Sink(pre) => pre.instance_pre(),
            WorldPre::Transform(_) | WorldPre::Plain(_) | WorldPre::Offsets(_) => return None,
        };
        offsets::OnlyPre::new(pre.clone()).ok().map(WorldPre::Offsets)
    }

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<(World, component::Instance)> {
        let pre = match self {
            WorldPre::Source(pre) => pre.instance_pre(),
            WorldPre::Sink(pre) => pre.instance_pre(),
            WorldPre::Transform(pre) => pre.instance_pre(),
            WorldPre::Plain(pre) => pre.instance_pre(),
            WorldPre::Offsets(pre) => pre.instance_pre(),
        };
        let instance = pre.instantiate_async(&mut *store).await?;
        let world = match self {
            WorldPre::Source(_) => World::Source(source::Only::new(store, &instance)?),
            WorldPre::Sink(_) => World::Sink(sink::Only::new(store, &instance)?),
            WorldPre::Transform(_) => World::Transform(transform::Only::new(store, &instance)?),
            WorldPre::Plain(_) => World::Plain(plain::Only::new(store, &instance)?),
            WorldPre::Offsets(_) => World::Offsets(offsets::Only::new(store, &instance)?),
        };
        Ok((world, instance))
    }
}

/// An instance's export `plugin`: of the contract as it is, or as it first was.
pub(crate) enum Describer {
    Now(plugin::Only),
    First(first::First),
}

impl Describer {
    fn of(store: &mut Store<State>, instance: &component::Instance) -> wasmtime::Result<Describer> {
        match plugin::Only::new(&mut *store, instance) {
            Ok(now) => Ok(Describer::Now(now)),
            Err(error) => first::First::new(store, instance).map(Describer::First).map_err(|_| error),
        }
    }

    pub async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<types::PluginInfo> {
        match self {
            Describer::Now(now) => now.millrace_plugin_plugin().call_describe(store).await,
            Describer::First(first) => Ok(wit::first::info(first.millrace_plugin_plugin().call_describe(store).await?)),
        }
    }

    pub async fn validate(&self, store: &mut Store<State>, config: &types::Config) -> wasmtime::Result<Vec<types::ConfigIssue>> {
        match self {
            Describer::Now(now) => now.millrace_plugin_plugin().call_validate(store, config).await,
            Describer::First(first) => {
                let issues = first.millrace_plugin_plugin().call_validate(store, config).await?;
                Ok(issues.into_iter().map(wit::first::issue).collect())
            }
        }
    }
}

impl World {
    /// A transform has no tasks to configure.
    pub async fn task_configs(
        &self,
        store: &mut Store<State>,
        config: &types::Config,
        max_tasks: u32,
    ) -> wasmtime::Result<Option<Result<Vec<types::Config>, types::Error>>> {
        Ok(match self {
            World::Source(w) => Some(w.millrace_plugin_source().call_task_configs(store, config, max_tasks).await?),
            World::Sink(w) => Some(w.millrace_plugin_sink().call_task_configs(store, config, max_tasks).await?),
            World::Transform(_) | World::Plain(_) | World::Offsets(_) => None,
        })
    }

    /// None: the component has no say on offsets.
    pub async fn alter_offsets(
        &self,
        store: &mut Store<State>,
        config: &types::Config,
        altered: &[offsets::exports::millrace::plugin::offsets::Altered],
    ) -> wasmtime::Result<Option<Result<bool, types::Error>>> {
        Ok(match self {
            World::Offsets(w) => Some(w.millrace_plugin_offsets().call_alter(store, config, altered).await?),
            _ => None,
        })
    }
}

/// All that an instance is made of, kept to make another.
pub(crate) struct Maker {
    pub sandbox: Arc<Inner>,
    pub world: WorldPre,
    pub owner: Arc<Owner>,
    pub schemas: Arc<Schemas>,
    pub wake: Wake,
    pub memory_limit_bytes: u64,
    pub times: Times,
    pub quota: Arc<Quota>,
}

impl Maker {
    pub fn new(sandbox: &Arc<Inner>, world: WorldPre, owner: Owner, schemas: Arc<Schemas>, wake: Wake) -> Self {
        Maker {
            world,
            owner: Arc::new(owner),
            schemas,
            wake,
            memory_limit_bytes: sandbox.config.memory_limit_bytes,
            times: Times { deadline: sandbox.config.call_deadline, timeout: sandbox.config.call_timeout },
            quota: Arc::default(),
            sandbox: sandbox.clone(),
        }
    }
}

/// The times of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// That it may compute.
    pub deadline: Duration,
    /// That it may last.
    pub timeout: Duration,
}

/// An instance. After a trap, or a call that was given up halfway, it takes no more calls.
pub(crate) struct Instance {
    pub store: Store<State>,
    pub world: World,
    exports: component::Instance,
    times: Times,
    broken: Option<TaskError>,
}

/// A call that has begun.
pub(crate) struct Call {
    name: &'static str,
    waits: Waits,
    timeout: Duration,
    _computing: Computing,
}

impl Call {
    /// Awaits the guest, for as long as it may take.
    pub async fn run<R>(&self, guest: impl Future<Output = wasmtime::Result<R>>) -> wasmtime::Result<R> {
        self.waits.frame(self.timeout, guest).await
    }
}

impl Instance {
    pub async fn make(maker: &Maker) -> Result<Instance, TaskError> {
        let waits = Waits::new(maker.sandbox.ticker.clone());
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let state = State {
            table,
            owner: maker.owner.clone(),
            schemas: maker.schemas.clone(),
            quota: maker.quota.clone(),
            open: Arc::new(Semaphore::new(OPEN_MAX)),
            wake: maker.wake.clone(),
            limits: Limits::new(maker.memory_limit_bytes),
            waits: waits.clone(),
            metrics: maker.sandbox.metrics.clone(),
            alerts: maker.sandbox.alerts.clone(),
            lines: Lines::new(),
            redis: Default::default(),
            wasi: None,
            born: Instant::now(),
            last_words: None,
        };
        let mut store = Store::new(&maker.sandbox.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HANDED_BYTES_MAX);
        call::meter(&mut store);
        call::arm(&mut store, maker.times.deadline);
        let computing = waits.computing();
        let world = waits.frame(maker.times.timeout, maker.world.instantiate(&mut store)).await;
        drop(computing);
        match world {
            Ok((world, exports)) => Ok(Instance { store, world, exports, times: maker.times, broken: None }),
            Err(error) => Err(trap::explain(store.data(), "instantiate", maker.times, &error)),
        }
    }

    /// Its export `plugin`, which a task has no use for.
    pub fn describer(&mut self) -> Result<Describer, TaskError> {
        let found = Describer::of(&mut self.store, &self.exports);
        found.map_err(|e| trap::explain(self.store.data(), "instantiate", self.times, &e))
    }

    /// Refused when it takes no more calls.
    pub fn whole(&self) -> Result<(), TaskError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Before a call: refused when the instance is broken.
    pub fn begin(&mut self, name: &'static str) -> Result<Call, TaskError> {
        self.whole()?;
        // Stays when the call's future is dropped before its end: the guest is then in the middle of it for ever.
        self.broken = Some(TaskError::new(
            ErrorKind::Restart,
            "plugin.abandoned",
            format!("plugin \"{}\" was left in the middle of \"{name}\"; restart the task", self.store.data().owner.plugin),
        ));
        call::arm(&mut self.store, self.times.deadline);
        let waits = self.store.data().waits.clone();
        Ok(Call { name, timeout: self.times.timeout, _computing: waits.computing(), waits })
    }

    /// After a call: a trap breaks the instance.
    pub fn end<R>(&mut self, call: Call, answer: wasmtime::Result<R>) -> Result<R, TaskError> {
        match answer {
            Ok(answer) => {
                self.broken = None;
                Ok(answer)
            }
            Err(error) => {
                let error = trap::explain(self.store.data(), call.name, self.times, &error);
                self.broken = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The answer breaks the contract: the instance is broken with it.
    pub fn lied(&mut self, call: &'static str, what: impl std::fmt::Display) -> TaskError {
        let error = trap::lied(&self.store.data().owner.plugin, call, what);
        self.broken = Some(error.clone());
        error
    }

    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }
}
