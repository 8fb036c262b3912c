//! One instance of a component, and the frame around every call into it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_record::{ErrorKind, PluginKind, Schemas, TaskError, Wake};
use wasmtime::Store;
use wasmtime::component::{InstancePre, ResourceTable};

use crate::bindings::{offsets, plain, sink, source, transform, types};
use crate::call::{self, Computing, Waits};
use crate::capabilities::logging::Lines;
use crate::engine::Inner;
use crate::grants;
use crate::limits::{HANDED_BYTES_MAX, Limits};
use crate::state::{Owner, State};
use crate::trap;

/// A component ready to be instantiated.
#[derive(Clone)]
pub(crate) enum WorldPre {
    Source(source::SourcePluginPre<State>),
    Sink(sink::SinkPluginPre<State>),
    Transform(transform::TransformPluginPre<State>),
    /// A transform over records as simple values.
    Plain(plain::PlainPluginPre<State>),
    /// A source or sink, for its say on offsets.
    Offsets(offsets::OffsetsPluginPre<State>),
}

/// An instance's exports.
pub(crate) enum World {
    Source(source::SourcePlugin),
    Sink(sink::SinkPlugin),
    Transform(transform::TransformPlugin),
    Plain(plain::PlainPlugin),
    Offsets(offsets::OffsetsPlugin),
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
            PluginKind::Source => WorldPre::Source(source::SourcePluginPre::new(pre)?),
            PluginKind::Sink => WorldPre::Sink(sink::SinkPluginPre::new(pre)?),
            PluginKind::Transform if is_plain(&pre) => WorldPre::Plain(plain::PlainPluginPre::new(pre)?),
            PluginKind::Transform => WorldPre::Transform(transform::TransformPluginPre::new(pre)?),
        })
    }

    /// None: the component does not export `offsets`.
    pub fn offsets(&self) -> Option<WorldPre> {
        let pre = match self {
            WorldPre::Source(pre) => pre.instance_pre(),
            WorldPre::Sink(pre) => pre.instance_pre(),
            WorldPre::Transform(_) | WorldPre::Plain(_) | WorldPre::Offsets(_) => return None,
        };
        offsets::OffsetsPluginPre::new(pre.clone()).ok().map(WorldPre::Offsets)
    }

    async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<World> {
        Ok(match self {
            WorldPre::Source(pre) => World::Source(pre.instantiate_async(store).await?),
            WorldPre::Sink(pre) => World::Sink(pre.instantiate_async(store).await?),
            WorldPre::Transform(pre) => World::Transform(pre.instantiate_async(store).await?),
            WorldPre::Plain(pre) => World::Plain(pre.instantiate_async(store).await?),
            WorldPre::Offsets(pre) => World::Offsets(pre.instantiate_async(store).await?),
        })
    }
}

impl World {
    pub async fn plugin_describe(&self, store: &mut Store<State>) -> wasmtime::Result<types::PluginInfo> {
        match self {
            World::Source(w) => w.millrace_plugin_plugin().call_describe(store).await,
            World::Sink(w) => w.millrace_plugin_plugin().call_describe(store).await,
            World::Transform(w) => w.millrace_plugin_plugin().call_describe(store).await,
            World::Plain(w) => w.millrace_plugin_plugin().call_describe(store).await,
            World::Offsets(w) => w.millrace_plugin_plugin().call_describe(store).await,
        }
    }

    pub async fn plugin_validate(
        &self,
        store: &mut Store<State>,
        config: &types::Config,
    ) -> wasmtime::Result<Vec<types::ConfigIssue>> {
        match self {
            World::Source(w) => w.millrace_plugin_plugin().call_validate(store, config).await,
            World::Sink(w) => w.millrace_plugin_plugin().call_validate(store, config).await,
            World::Transform(w) => w.millrace_plugin_plugin().call_validate(store, config).await,
            World::Plain(w) => w.millrace_plugin_plugin().call_validate(store, config).await,
            World::Offsets(w) => w.millrace_plugin_plugin().call_validate(store, config).await,
        }
    }

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
    pub call_deadline: Duration,
}

impl Maker {
    pub fn new(sandbox: &Arc<Inner>, world: WorldPre, owner: Owner, schemas: Arc<Schemas>, wake: Wake) -> Self {
        Maker {
            world,
            owner: Arc::new(owner),
            schemas,
            wake,
            memory_limit_bytes: sandbox.config.memory_limit_bytes,
            call_deadline: sandbox.config.call_deadline,
            sandbox: sandbox.clone(),
        }
    }
}

/// An instance. After a trap, or a call that was given up halfway, it takes no more calls.
pub(crate) struct Instance {
    pub store: Store<State>,
    pub world: World,
    call_deadline: Duration,
    broken: Option<TaskError>,
}

/// A call that has begun.
pub(crate) struct Call {
    name: &'static str,
    _computing: Computing,
}

impl Instance {
    pub async fn make(maker: &Maker) -> Result<Instance, TaskError> {
        let waits = Waits::new(maker.sandbox.ticker.clone());
        let state = State {
            table: ResourceTable::new(),
            owner: maker.owner.clone(),
            schemas: maker.schemas.clone(),
            wake: maker.wake.clone(),
            limits: Limits::new(maker.memory_limit_bytes),
            clock: Default::default(),
            waits: waits.clone(),
            metrics: maker.sandbox.metrics.clone(),
            alerts: maker.sandbox.alerts.clone(),
            lines: Lines::new(),
            wasi: None,
            born: Instant::now(),
            last_words: None,
        };
        let mut store = Store::new(&maker.sandbox.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(HANDED_BYTES_MAX);
        call::meter(&mut store);
        call::arm(&mut store, maker.call_deadline);
        let computing = waits.computing();
        let world = maker.world.instantiate(&mut store).await;
        drop(computing);
        match world {
            Ok(world) => Ok(Instance { store, world, call_deadline: maker.call_deadline, broken: None }),
            Err(error) => Err(trap::explain(store.data(), "instantiate", maker.call_deadline, &error)),
        }
    }

    /// Before a call: refused when the instance is broken.
    pub fn begin(&mut self, name: &'static str) -> Result<Call, TaskError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        // Stays when the call's future is dropped before its end: the guest is then in the middle of it for ever.
        self.broken = Some(TaskError::new(
            ErrorKind::Restart,
            "plugin.abandoned",
            format!("plugin \"{}\" was left in the middle of \"{name}\"; restart the task", self.store.data().owner.plugin),
        ));
        call::arm(&mut self.store, self.call_deadline);
        Ok(Call { name, _computing: self.store.data().waits.computing() })
    }

    /// After a call: a trap breaks the instance.
    pub fn end<R>(&mut self, call: Call, answer: wasmtime::Result<R>) -> Result<R, TaskError> {
        match answer {
            Ok(answer) => {
                self.broken = None;
                Ok(answer)
            }
            Err(error) => {
                let error = trap::explain(self.store.data(), call.name, self.call_deadline, &error);
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
