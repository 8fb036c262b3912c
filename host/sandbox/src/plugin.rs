//! A component as the worker sees it: a plugin that makes tasks.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millrace_record::config::ConfigIssue;
use millrace_record::{
    Needed, Plugin, PluginInfo, PluginKind, RawConfig, Schemas, SinkTask, SourceOffset, SourceTask, StateLimits, TaskContext,
    TaskError, Transform, Wake,
};
use parking_lot::Mutex;
use wasmtime::component::Component;

use crate::bindings::offsets::exports::millrace::plugin::offsets::Altered;
use crate::capabilities::http::{Allowed, Http};
use crate::capabilities::{kafka, state};
use crate::engine::Inner;
use crate::grants::{self, Need};
use crate::instance::{Instance, Maker, WorldPre};
use crate::settings::Settings;
use crate::state::{Owner, setting, within};
use crate::{tasks, wit};

/// The settings of a connector that the sandbox itself reads.
const MEMORY_LIMIT: &str = "plugin.memory.limit.bytes";
const CALL_DEADLINE: &str = "plugin.call.deadline.ms";
const CALL_TIMEOUT: &str = "plugin.call.timeout.ms";
/// Less than this and no language's runtime starts; more than this no address space holds.
const MEMORY_LIMIT_RANGE: std::ops::RangeInclusive<u64> = 1 << 20..=4 << 30;
const CALL_DEADLINE_RANGE: std::ops::RangeInclusive<u64> = 10..=3_600_000;
const CALL_TIMEOUT_RANGE: std::ops::RangeInclusive<u64> = 10..=86_400_000;
/// All states are in the worker's memory.
const STATE_BYTES_RANGE: std::ops::RangeInclusive<u64> = 1 << 10..=256 << 20;
const STATE_ENTRIES_RANGE: std::ops::RangeInclusive<u64> = 1..=2_000_000;

pub(crate) struct ComponentPlugin {
    pub sandbox: Arc<Inner>,
    pub component: Component,
    /// Its capabilities trap: for calls that may use none.
    pub bare: WorldPre,
    pub info: PluginInfo,
    pub file: PathBuf,
    pub needs: Vec<Need>,
    /// The grants beside the file.
    pub installed: Vec<String>,
    pub schemas: Arc<Schemas>,
    /// Linked with what was granted, by that: tasks share it.
    pub linked: Mutex<HashMap<Vec<String>, WorldPre>>,
    /// Instances that have validated and may do so again: making one costs more than the call.
    pub idle: Mutex<Vec<Validator>>,
}

/// An instance without capabilities that answers for one configuration after the other.
pub(crate) struct Validator {
    instance: Instance,
    calls: u32,
}

/// How many wait for the next configuration, and how many calls one answers: what a guest leaves behind in its memory
/// stays bounded.
const IDLE_MAX: usize = 4;
const CALLS_MAX: u32 = 256;

impl ComponentPlugin {
    /// Whose instances are made; without a network and with a cache of its own until it is a task's.
    fn owner(&self, connector: &str, task: u32, config: &RawConfig) -> Owner {
        Owner {
            connector: connector.to_owned(),
            task,
            settings: Settings::new(config, &self.info.config, &self.info.bindings),
            keys: self.info.config.clone(),
            bindings: self.info.bindings.clone(),
            ..Owner::nobody(self.info.name.as_str().into())
        }
    }

    /// A throw-away instance without capabilities.
    async fn throw_away(&self, world: WorldPre, config: &RawConfig) -> Result<Instance, TaskError> {
        let owner = self.owner("", 0, config);
        let mut maker = Maker::new(&self.sandbox, world, owner, self.schemas.clone(), Wake::default());
        limits(&mut maker, config)?;
        Instance::make(&maker).await
    }

    /// What is wrong with the list of topics that it may write to, where it writes to any.
    fn wrong_topics(&self, config: &RawConfig) -> Option<ConfigIssue> {
        self.needs.iter().find(|n| n.capability == "kafka")?;
        let key = within(self.info.kind == PluginKind::Transform, kafka::KEY);
        let policy = self.sandbox.config.kafka_topics_allowed.as_ref();
        let message = kafka::Allowed::understood(key, config.get(key)?, policy).err()?;
        Some(ConfigIssue { name: key.to_owned(), message, recommended: Vec::new() })
    }

    /// What is wrong with the list of hosts that it may reach, where it reaches any.
    fn wrong_hosts(&self, config: &RawConfig) -> Option<ConfigIssue> {
        self.needs.iter().find(|n| n.capability == "http")?;
        let key = Allowed::key(self.info.kind == PluginKind::Transform);
        let message = Allowed::understood(key, config.get(key)?, self.sandbox.config.http_hosts_allowed.as_ref()).err()?;
        Some(ConfigIssue { name: key.to_owned(), message, recommended: Vec::new() })
    }

    /// The component, its imports linked. What is granted and not needed makes no difference.
    fn linked(&self, kind: PluginKind, granted: &BTreeSet<&str>) -> Result<WorldPre, TaskError> {
        let needed = |capability: &&&str| self.needs.iter().any(|n| n.capability == **capability);
        let by: Vec<String> = granted.iter().filter(needed).map(|c| (*c).to_owned()).collect();
        let mut linked = self.linked.lock();
        if let Some(world) = linked.get(&by) {
            return Ok(world.clone());
        }
        let world = self
            .sandbox
            .linker(&self.component, granted)
            .and_then(|linker| WorldPre::new(kind, linker.instantiate_pre(&self.component)?))
            .map_err(|e| TaskError::fatal("plugin.link", format!("cannot link plugin \"{}\": {e:#}", self.info.name)))?;
        linked.insert(by, world.clone());
        Ok(world)
    }

    /// What a task's instances are made of, with the capabilities that were granted.
    fn maker(&self, ctx: TaskContext, kind: PluginKind) -> Result<Maker, TaskError> {
        if self.info.kind != kind {
            return Err(TaskError::config(
                "connector.class",
                format!("plugin \"{}\" is a {}, not a {}", self.info.name, noun(self.info.kind), noun(kind)),
            ));
        }
        self.check_grants(&ctx.grants)?;
        let granted: BTreeSet<&str> = self.installed.iter().chain(&ctx.grants).map(String::as_str).collect();
        let world = self.linked(kind, &granted)?;
        let policy = self.sandbox.config.http_hosts_allowed.clone();
        let http = Http::new(Allowed::read(&ctx.config, ctx.alias.as_deref(), policy)?, self.sandbox.config.resolver.clone());
        let mut owner = self.owner(&ctx.connector, ctx.task, &ctx.config);
        owner.http = http;
        let (policy, reserved) = (&self.sandbox.config.kafka_topics_allowed, &self.sandbox.config.kafka_topics_reserved);
        owner.topics = kafka::Allowed::read(&ctx.config, ctx.alias.as_deref(), policy.clone(), reserved.clone())?;
        owner.cache = self.sandbox.caches.shared(&ctx.connector, ctx.alias.as_deref(), &owner.plugin);
        owner.services = ctx.services;
        owner.services.state.limit(state_limits(&ctx.config, ctx.alias.as_deref())?);
        owner.alias = ctx.alias;
        let mut maker = Maker::new(&self.sandbox, world, owner, ctx.schemas, ctx.wake);
        limits(&mut maker, &ctx.config)?;
        Ok(maker)
    }
}

/// The limits that a connector sets for its plugin.
fn limits(maker: &mut Maker, config: &RawConfig) -> Result<(), TaskError> {
    if let Some(bytes) = limit(config, MEMORY_LIMIT, MEMORY_LIMIT_RANGE)? {
        maker.memory_limit_bytes = bytes;
    }
    if let Some(ms) = limit(config, CALL_DEADLINE, CALL_DEADLINE_RANGE)? {
        maker.times.deadline = Duration::from_millis(ms);
    }
    if let Some(ms) = limit(config, CALL_TIMEOUT, CALL_TIMEOUT_RANGE)? {
        maker.times.timeout = Duration::from_millis(ms);
    }
    Ok(())
}

/// The most that the plugin's state may hold.
fn state_limits(config: &RawConfig, alias: Option<&str>) -> Result<StateLimits, TaskError> {
    let read = |key: &str, range| {
        let read = limit(config, within(alias.is_some(), key), range);
        read.map_err(|e| TaskError { field: Some(setting(alias, key)), ..e })
    };
    let default = StateLimits::default();
    Ok(StateLimits {
        bytes: read(state::MAX_BYTES, STATE_BYTES_RANGE)?.unwrap_or(default.bytes),
        entries: read(state::MAX_ENTRIES, STATE_ENTRIES_RANGE)?.unwrap_or(default.entries),
    })
}

fn limit(config: &RawConfig, key: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, TaskError> {
    match config.get(key).map(|v| (v, v.trim().parse::<u64>())) {
        None => Ok(None),
        Some((_, Ok(n))) if range.contains(&n) => Ok(Some(n)),
        Some((v, _)) => Err(TaskError::config(
            key,
            format!("\"{key}\" is \"{v}\": give a whole number from {} to {}", range.start(), range.end()),
        )),
    }
}

fn noun(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Source => "source",
        PluginKind::Sink => "sink",
        PluginKind::Transform => "transform",
    }
}

#[async_trait]
impl Plugin for ComponentPlugin {
    fn info(&self) -> &PluginInfo {
        &self.info
    }

    fn check_grants(&self, grants: &[String]) -> Result<(), TaskError> {
        let allowed = self.sandbox.config.grants_allowed.as_deref();
        grants::check(&self.info.name, &self.file, &self.needs, allowed, &self.installed, grants)
    }

    fn needs(&self) -> Vec<Needed> {
        let allowed = self.sandbox.config.grants_allowed.as_deref();
        let needed = |n: &Need| Needed {
            capability: n.capability.to_owned(),
            import: n.import.clone(),
            beside: self.installed.iter().any(|g| g == n.capability),
            allowed: allowed.is_none_or(|allowed| allowed.iter().any(|a| a == n.capability)),
        };
        self.needs.iter().map(needed).collect()
    }

    async fn validate(&self, config: &RawConfig) -> Result<Vec<ConfigIssue>, TaskError> {
        // An instance with limits of its own is for that configuration alone.
        let shared = ![MEMORY_LIMIT, CALL_DEADLINE, CALL_TIMEOUT].iter().any(|key| config.contains_key(*key));
        let idle = if shared { self.idle.lock().pop() } else { None };
        let mut validator = match idle {
            Some(mut validator) => {
                validator.instance.store.data_mut().owner = Arc::new(self.owner("", 0, config));
                validator
            }
            None => Validator { instance: self.throw_away(self.bare.clone(), config).await?, calls: 0 },
        };
        let instance = &mut validator.instance;
        let shown: Vec<_> = instance.store.data().owner.settings.shown().clone().into_iter().collect();
        let describer = instance.describer()?;
        let call = instance.begin("validate")?;
        let answer = call.run(describer.validate(&mut instance.store, &shown)).await;
        let issues = instance.end(call, answer)?;
        validator.calls += 1;
        if shared && validator.calls < CALLS_MAX {
            let mut idle = self.idle.lock();
            if idle.len() < IDLE_MAX {
                idle.push(validator);
            }
        }
        let lift =
            |i: crate::bindings::types::ConfigIssue| ConfigIssue { name: i.name, message: i.message, recommended: i.recommended };
        let mut issues: Vec<_> = issues.into_iter().map(lift).collect();
        issues.extend(self.wrong_hosts(config));
        issues.extend(self.wrong_topics(config));
        Ok(issues)
    }

    async fn task_configs(&self, config: &RawConfig, max_tasks: u32) -> Result<Vec<RawConfig>, TaskError> {
        let mut instance = self.throw_away(self.bare.clone(), config).await?;
        let owner = instance.store.data().owner.clone();
        let shown: Vec<_> = owner.settings.shown().clone().into_iter().collect();
        let call = instance.begin("task-configs")?;
        let answer = call.run(instance.world.task_configs(&mut instance.store, &shown, max_tasks)).await;
        let Some(answer) = instance.end(call, answer)? else { return Ok(Vec::new()) };
        let configs = answer.map_err(wit::error::lift)?;
        if configs.len() > max_tasks as usize {
            return Err(
                instance.lied("task-configs", format_args!("{} tasks where at most {max_tasks} were asked for", configs.len()))
            );
        }
        Ok(configs.into_iter().map(|c| owner.settings.reveal(c)).collect())
    }

    async fn alter_offsets(&self, config: &RawConfig, offsets: &[SourceOffset]) -> Result<bool, TaskError> {
        let Some(world) = self.bare.offsets() else { return Ok(false) };
        let mut instance = self.throw_away(world, config).await?;
        let shown: Vec<_> = instance.store.data().owner.settings.shown().clone().into_iter().collect();
        let lower = |o: &SourceOffset| Altered {
            partition: o.partition.to_string(),
            offset: (!o.offset.is_null()).then(|| o.offset.to_string()),
        };
        let altered: Vec<_> = offsets.iter().map(lower).collect();
        let call = instance.begin("alter")?;
        let answer = call.run(instance.world.alter_offsets(&mut instance.store, &shown, &altered)).await;
        instance.end(call, answer)?.unwrap_or(Ok(false)).map_err(wit::error::lift)
    }

    async fn source(&self, ctx: TaskContext) -> Result<Box<dyn SourceTask>, TaskError> {
        Ok(Box::new(tasks::source::ComponentSource::new(self.maker(ctx, PluginKind::Source)?)))
    }

    async fn sink(&self, ctx: TaskContext) -> Result<Box<dyn SinkTask>, TaskError> {
        Ok(Box::new(tasks::sink::ComponentSink::new(self.maker(ctx, PluginKind::Sink)?)))
    }

    async fn transform(&self, ctx: TaskContext) -> Result<Box<dyn Transform>, TaskError> {
        Ok(Box::new(tasks::transform::ComponentTransform::new(self.maker(ctx, PluginKind::Transform)?)))
    }
}
