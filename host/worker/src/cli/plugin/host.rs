//! Components loaded and run by the command line, in the sandbox that a worker has, without a worker.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use millrace_record::{Plugin, PluginKind, RawConfig, Schemas, TaskContext, TaskError, Transform, Wake};
use millrace_sandbox::{LoadError, Sandbox, SandboxConfig};

/// A sandbox, and what its calls run on.
pub struct Host {
    runtime: tokio::runtime::Runtime,
    pub sandbox: Sandbox,
    pub schemas: Arc<Schemas>,
}

impl Host {
    /// `cache`: where compiled code is kept.
    pub fn new(cache: &Path) -> anyhow::Result<Host> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Host { runtime, sandbox: Sandbox::new(SandboxConfig::new(cache))?, schemas: Schemas::new() })
    }

    pub fn wait<F: Future>(&self, call: F) -> F::Output {
        self.runtime.block_on(call)
    }

    pub fn load(&self, file: &Path) -> Result<Arc<dyn Plugin>, LoadError> {
        self.wait(self.sandbox.load(file, &self.schemas))
    }

    /// A transform, ready for batches; its settings are checked as a worker checks them.
    pub fn transform(&self, plugin: &dyn Plugin, config: &RawConfig, grants: &[String]) -> Result<Box<dyn Transform>, TaskError> {
        let issues = plugin.info().config.validate(config);
        let issues = if issues.is_empty() { self.wait(plugin.validate(config))? } else { issues };
        if let Some(first) = issues.first() {
            let all: Vec<_> = issues.iter().map(|i| i.message.as_str()).collect();
            return Err(TaskError::config(&first.name, all.join("; ")));
        }
        let context = TaskContext {
            connector: "test".into(),
            task: 0,
            config: config.clone(),
            alias: Some("test".into()),
            schemas: self.schemas.clone(),
            wake: Wake::default(),
            grants: grants.to_vec(),
            services: Default::default(),
        };
        let mut transform = self.wait(plugin.transform(context))?;
        self.wait(transform.configure())?;
        Ok(transform)
    }
}

/// As in `--kind`, and as people call it.
pub fn noun(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Source => "source",
        PluginKind::Sink => "sink",
        PluginKind::Transform => "transform",
    }
}

/// The plugin of a file, when it is a transform.
pub fn transform(host: &Host, file: &Path) -> anyhow::Result<Arc<dyn Plugin>> {
    let plugin = host.load(file).map_err(|e| anyhow!("{} is refused: {e}", file.display()))?;
    let info = plugin.info();
    if info.kind != PluginKind::Transform {
        bail!(
            "\"{}\" is a {}: only transforms are run here; test it with its language's own tests, and in a worker",
            info.name,
            noun(info.kind)
        );
    }
    Ok(plugin)
}

/// Settings given as `KEY=VALUE`.
pub fn settings(given: &[String]) -> anyhow::Result<RawConfig> {
    let pair = |set: &String| {
        let (key, value) = set.split_once('=').with_context(|| format!("--set {set}: write it as KEY=VALUE"))?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    };
    given.iter().map(pair).collect()
}
