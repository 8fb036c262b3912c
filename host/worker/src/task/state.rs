//! The state of a task's plugins between a session and the log.
//!
//! A session opens what is stored, and its plugins change a copy. What a call changed is kept when the call went well and
//! undone when it failed, so that a batch that is tried again finds the state as it was. Invariant state-before-offset: what
//! was changed while a batch was handled is stored once the log has acknowledged the batch's records, and before its offsets
//! are; a session that ends otherwise leaves nothing of it.

use std::sync::Arc;

use async_trait::async_trait;
use millrace_record::{ErrorKind, KeyedState, LogWriter, Services, StateChanges, TaskError};

use super::Prepared;
use super::supervise::Failure;

/// Whose a state is.
#[derive(Debug)]
pub struct Whose {
    pub connector: String,
    /// Of a transform; none: the source's or sink's own.
    pub alias: Option<String>,
    pub task: u32,
    /// The connector's life: one of the same name that is made after this was deleted has another.
    pub life: Arc<()>,
}

/// A state as it was stored, and whose it is.
#[derive(Debug, Clone)]
pub struct Opened {
    pub state: KeyedState,
    pub whose: Arc<Whose>,
}

impl Opened {
    /// One that nothing is stored of.
    pub fn empty(connector: &str, alias: Option<&str>, task: u32) -> Opened {
        let whose = Whose { connector: connector.to_owned(), alias: alias.map(str::to_owned), task, life: Arc::default() };
        Opened { state: KeyedState::default(), whose: Arc::new(whose) }
    }
}

/// Where states are durable.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// What is stored; a copy that nobody else changes.
    async fn open(&self, connector: &str, alias: Option<&str>, task: u32) -> anyhow::Result<Opened>;
    /// Returns once the log has acknowledged all of them. Refused where the connector has been deleted since it was opened.
    async fn write(&self, changes: &Unsaved) -> anyhow::Result<()>;
    /// Reads a connector's states anew, once every transaction has ended that wrote states before. Nothing of it runs.
    async fn settle(&self, connector: &str) -> anyhow::Result<()>;
    /// What is to be written of changes, for who writes it in a transaction of his own. Refused as [`StateStore::write`] is.
    async fn prepare(&self, changes: &Unsaved) -> anyhow::Result<Prepared>;
    /// What was prepared of these changes has been committed.
    fn committed(&self, changes: &Unsaved);
}

/// Keeps nothing: for tasks without a worker.
pub struct NoStates;

#[async_trait]
impl StateStore for NoStates {
    async fn open(&self, connector: &str, alias: Option<&str>, task: u32) -> anyhow::Result<Opened> {
        Ok(Opened::empty(connector, alias, task))
    }
    async fn write(&self, _: &Unsaved) -> anyhow::Result<()> {
        Ok(())
    }
    async fn settle(&self, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
    async fn prepare(&self, _: &Unsaved) -> anyhow::Result<Prepared> {
        Ok(Prepared::default())
    }
    fn committed(&self, _: &Unsaved) {}
}

/// What was changed and is not stored.
#[derive(Debug, Default)]
pub struct Unsaved(Vec<(Arc<Whose>, StateChanges)>);

impl Unsaved {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Whose>, &StateChanges)> {
        self.0.iter().map(|(whose, changes)| (whose, changes))
    }

    fn add(&mut self, whose: &Arc<Whose>, changes: StateChanges) {
        if changes.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|(w, _)| Arc::ptr_eq(w, whose)) {
            Some((_, known)) => known.extend(changes),
            None => self.0.push((whose.clone(), changes)),
        }
    }

    /// Adds what was changed after this.
    pub fn append(&mut self, later: Unsaved) {
        for (whose, changes) in later.0 {
            self.add(&whose, changes);
        }
    }

    /// Stores all of it.
    pub(super) async fn store(&mut self, states: &dyn StateStore) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        states.write(self).await.map_err(not_stored)?;
        self.0.clear();
        Ok(())
    }

    /// What is to be written of it in a transaction; then [`Unsaved::committed`].
    pub(super) async fn prepare(&self, states: &dyn StateStore) -> Result<Option<Prepared>, Failure> {
        if self.is_empty() {
            return Ok(None);
        }
        states.prepare(self).await.map(Some).map_err(not_stored)
    }

    pub(super) fn committed(&mut self, states: &dyn StateStore) {
        states.committed(self);
        self.0.clear();
    }
}

fn not_stored(e: anyhow::Error) -> Failure {
    failed("write", format!("cannot store the state of plugins: {e:#}"))
}

fn failed(call: &'static str, message: String) -> Failure {
    Failure::new("state", call, TaskError::new(ErrorKind::Restart, "state.unavailable", message))
}

/// A plugin's state in a session.
pub(crate) struct Keeper {
    opened: Opened,
    unsaved: Unsaved,
}

impl Keeper {
    pub fn new(opened: Opened) -> Self {
        Keeper { opened, unsaved: Unsaved::default() }
    }

    pub async fn open(states: &dyn StateStore, connector: &str, task: u32) -> Result<Self, Failure> {
        let opened = states.open(connector, None, task).await;
        Ok(Keeper::new(opened.map_err(|e| failed("read", format!("cannot read the state of plugins: {e:#}")))?))
    }

    /// What a plugin is given.
    pub fn services(&self, log: Option<Arc<dyn LogWriter>>) -> Services {
        Services { state: self.opened.state.clone(), dry_run: false, log }
    }

    /// The plugin's call went well.
    pub fn keep(&mut self) {
        let changes = self.opened.state.take();
        self.unsaved.add(&self.opened.whose, changes);
    }

    /// It failed, or is to be made again.
    pub fn undo(&self) {
        self.opened.state.undo();
    }

    /// Hands over what was kept.
    pub fn take(&mut self, into: &mut Unsaved) {
        into.append(std::mem::take(&mut self.unsaved));
    }
}
