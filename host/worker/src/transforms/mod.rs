//! The chain of transforms of a connector (`transforms=a,b`), with predicates, over whole batches.

pub(crate) mod native;
mod predicate;

use std::sync::Arc;

use millrace_record::{
    Batch, ErrorKind, LogWriter, PluginKind, RawConfig, Schemas, Services, TaskContext, TaskError, Transform, Wake,
};

use predicate::Predicate;

use crate::task::{Keeper, Opened, TaskRuntime, TaskSpec, Unsaved};

/// One transform of a chain.
struct Step {
    alias: String,
    /// As in `transforms.<alias>.type`, or in full where that is a short name.
    class: String,
    transform: Box<dyn Transform>,
    keeper: Keeper,
    /// Applies where the predicate's answer is this.
    when: Option<(Predicate, bool)>,
}

/// Transforms in order. Each has an instance of its own.
#[derive(Default)]
pub(crate) struct Chain {
    steps: Vec<Step>,
    schemas: Arc<Schemas>,
}

/// How long a transform took.
pub(crate) struct StepTime {
    pub alias: String,
    pub class: String,
    /// How many reached it.
    pub records: usize,
    pub took: std::time::Duration,
}

/// A record that a transform could not handle.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    /// Row of the batch that entered the chain.
    pub row: u32,
    pub code: String,
    /// The transform's class.
    pub class: String,
    /// What the transform said.
    pub cause: String,
    /// The same, and names the transform.
    pub message: String,
}

/// What the chain made of a batch.
pub(crate) struct Transformed {
    pub records: Batch,
    /// `origin[i]` is the row that record `i` descends from; none: one to one.
    pub origin: Option<Vec<u32>>,
    pub failed: Vec<Failed>,
}

impl Transformed {
    pub fn origin_of(&self, i: usize) -> u32 {
        self.origin.as_ref().map_or(i as u32, |o| o[i])
    }
    /// How many of `n` rows that entered left no record and did not fail.
    pub fn filtered(&self, n: usize) -> u64 {
        let Some(origin) = &self.origin else { return (n - self.records.len() - self.failed.len()) as u64 };
        let mut gone = vec![true; n];
        for row in origin.iter().copied().chain(self.failed.iter().map(|f| f.row)) {
            gone[row as usize] = false;
        }
        gone.into_iter().filter(|g| *g).count() as u64
    }
}

/// The names in a list setting.
pub(crate) fn list(text: Option<&String>) -> Vec<String> {
    text.into_iter().flat_map(|t| t.split(',')).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
}

/// The settings below `prefix`, without it.
pub(crate) fn below(config: &RawConfig, prefix: &str) -> RawConfig {
    let from = config.range(prefix.to_owned()..);
    from.take_while(|(k, _)| k.starts_with(prefix)).map(|(k, v)| (k[prefix.len()..].to_owned(), v.clone())).collect()
}

impl Chain {
    /// Makes and configures an instance of each transform. The error's `field` is the key at fault.
    pub async fn new(spec: &TaskSpec, runtime: &TaskRuntime, log: &Arc<dyn LogWriter>) -> Result<Chain, TaskError> {
        Self::of(&spec.id.connector, spec.id.task, &spec.connector_config, runtime, Some(log)).await
    }

    /// The same to be tried: for no connector, with empty states of which nothing is kept.
    pub async fn tried(config: &RawConfig, runtime: &TaskRuntime) -> Result<Chain, TaskError> {
        Self::of("dry-run", 0, config, runtime, None).await
    }

    /// Without a log it is a dry run.
    async fn of(
        connector: &str,
        task: u32,
        config: &RawConfig,
        runtime: &TaskRuntime,
        log: Option<&Arc<dyn LogWriter>>,
    ) -> Result<Chain, TaskError> {
        let mut steps = Vec::new();
        for alias in list(config.get("transforms")) {
            let key = format!("transforms.{alias}.type");
            let class = config.get(&key).ok_or_else(|| {
                TaskError::config(&key, format!("transform \"{alias}\" has no type; set \"{key}\" to the name of a transform"))
            })?;
            let version = config.get(&format!("transforms.{alias}.plugin.version")).map(String::as_str);
            let plugin = runtime.plugins.find(class, PluginKind::Transform, version)?;
            let mut own = below(config, &format!("transforms.{alias}."));
            for reserved in ["type", "predicate", "negate", "plugin.version"] {
                own.remove(reserved);
            }
            let grants = list(own.remove("grants").as_ref());
            plugin.check_grants(&grants)?;
            let opened = match log {
                None => Opened::empty(connector, Some(&alias), task),
                Some(_) => runtime.states.open(connector, Some(&alias), task).await.map_err(|e| {
                    let message = format!("cannot read the state of transform \"{alias}\": {e:#}");
                    TaskError::new(ErrorKind::Restart, "state.unavailable", message)
                })?,
            };
            let mut keeper = Keeper::new(opened);
            let context = TaskContext {
                connector: connector.to_owned(),
                task,
                config: own,
                alias: Some(alias.clone()),
                schemas: runtime.schemas.clone(),
                wake: Wake::default(),
                grants,
                services: Services { dry_run: log.is_none(), ..keeper.services(log.cloned()) },
            };
            let mut transform = plugin.transform(context).await?;
            transform.configure().await?;
            keeper.keep();
            // A class in full says whether it is for keys or for values.
            let class = if class.contains('.') { class.trim() } else { crate::plugins::class(&*plugin) }.to_owned();
            steps.push(Step { when: Predicate::of_transform(config, &alias)?, alias, class, transform, keeper });
        }
        Ok(Chain { steps, schemas: runtime.schemas.clone() })
    }

    /// Sends a batch through. After an error nothing of it counts.
    pub async fn apply(&mut self, records: Batch) -> Result<Transformed, TaskError> {
        let mut out = Transformed { records, origin: None, failed: Vec::new() };
        for step in &mut self.steps {
            if out.records.is_empty() {
                break;
            }
            if let Err(error) = step.apply(&mut out, &self.schemas).await {
                self.undo();
                return Err(error);
            }
        }
        Ok(out)
    }

    /// The batch last applied was taken by what is behind the chain: what the transforms changed in their states counts.
    pub fn keep(&mut self, into: &mut Unsaved) {
        for step in &mut self.steps {
            step.keeper.keep();
            step.keeper.take(into);
        }
    }

    /// It was not, and comes again.
    pub fn undo(&self) {
        for step in &self.steps {
            step.keeper.undo();
        }
    }

    /// Partitions were given up: another task may change what the transforms keep of them from here on.
    pub fn reassigned(&mut self) {
        for step in &mut self.steps {
            step.transform.reassigned();
        }
    }

    /// Sends a batch through, and says how long each transform took. For who looks, not for who runs.
    pub async fn apply_timed(&mut self, records: Batch) -> (Result<Transformed, TaskError>, Vec<StepTime>) {
        let mut out = Transformed { records, origin: None, failed: Vec::new() };
        let mut times = Vec::with_capacity(self.steps.len());
        for step in &mut self.steps {
            let (records, started) = (out.records.len(), std::time::Instant::now());
            let done = if records == 0 { Ok(()) } else { step.apply(&mut out, &self.schemas).await };
            times.push(StepTime { alias: step.alias.clone(), class: step.class.clone(), records, took: started.elapsed() });
            if let Err(error) = done {
                return (Err(error), times);
            }
        }
        (Ok(out), times)
    }

    pub async fn close(&mut self) {
        for step in &mut self.steps {
            step.transform.close().await;
        }
    }
}

impl Step {
    async fn apply(&mut self, out: &mut Transformed, schemas: &Schemas) -> Result<(), TaskError> {
        let chosen = match &self.when {
            None => None,
            Some((predicate, wanted)) => {
                let view = out.records.view();
                let rows: Vec<u32> =
                    (0..view.len()).filter(|i| predicate.test(&view, *i, schemas) == *wanted).map(|i| i as u32).collect();
                if rows.is_empty() {
                    return Ok(());
                }
                (rows.len() < view.len()).then_some(rows)
            }
        };
        let named = |mut e: TaskError, alias: &str| {
            e.message = format!("transform \"{alias}\": {}", e.message);
            e
        };
        let input = match &chosen {
            Some(rows) => out.records.select(rows),
            None => out.records.clone(),
        };
        let outcome = self.transform.apply(&input).await.map_err(|e| named(e, &self.alias))?;
        let lies = |what: &str| {
            let message = format!("transform \"{}\" broke the contract: {what}", self.alias);
            TaskError::new(ErrorKind::Trap, "transform.contract", message)
        };
        // Rows of `input` to rows of the batch that entered the chain.
        let before = out.origin.take();
        let entered = |row: u32| {
            let row = chosen.as_ref().map_or(row, |c| c[row as usize]);
            before.as_ref().map_or(row, |b| b[row as usize])
        };
        let all = outcome.failures.iter().map(|f| f.row).chain(outcome.origin.iter().flatten().copied());
        if all.into_iter().any(|row| row as usize >= input.len()) {
            return Err(lies("a row that was not in the batch"));
        }
        match &outcome.origin {
            Some(origin) if origin.len() != outcome.records.len() => return Err(lies("origins and records differ in number")),
            None if outcome.records.len() != input.len() => return Err(lies("records were dropped without origins")),
            _ => {}
        }
        for f in &outcome.failures {
            let message = format!("transform \"{}\": {}", self.alias, f.message);
            let (class, cause) = (self.class.clone(), f.message.clone());
            out.failed.push(Failed { row: entered(f.row), code: f.code.clone(), class, cause, message });
        }
        match chosen.as_deref() {
            None => {
                out.origin = match &outcome.origin {
                    Some(o) => Some(o.iter().map(|row| entered(*row)).collect()),
                    None => before,
                };
                out.records = outcome.records;
            }
            Some(rows) => {
                let (records, origin) = out.records.merge(rows, &outcome);
                out.origin = Some(origin.into_iter().map(|row| before.as_ref().map_or(row, |b| b[row as usize])).collect());
                out.records = records;
            }
        }
        Ok(())
    }
}
