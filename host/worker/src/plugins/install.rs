//! Changes of what is installed: uploads, deletions and rollbacks, one at a time.

use std::sync::Arc;

use millrace_record::Plugin;
use parking_lot::RwLock;

use super::set::{Id, Installed, Origin, Set};
use super::store::{Incoming, Store, StoreError};
use super::{Plugins, class};

/// The longest name and version.
const NAME_MAX: usize = 100;
/// Words that stand in paths where a version does.
const RESERVED: [&str; 2] = ["versions", "rollback"];

/// Why a plugin is not installed, removed or rolled back.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("the worker does not take plugins here: it has no directory for them")]
    Nowhere,
    /// The loader's reason.
    #[error("this is not a plugin that the worker can run: {0}")]
    Refused(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    NotFound(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the worker failed: {0}")]
    Failed(String),
}

/// What an upload did.
pub struct Outcome {
    pub installed: Installed,
    /// False: it was there already, byte for byte.
    pub new: bool,
}

impl Plugins {
    /// What was found, what is uploaded, and the directory where more can be.
    pub async fn open(mut all: Vec<Installed>, store: Store) -> Result<Self, StoreError> {
        let (loaded, refused) = store.load().await;
        for file in refused {
            tracing::error!("{} is not a plugin: {}", file.file.display(), file.reason);
        }
        for uploaded in loaded.into_iter().map(Installed::uploaded) {
            let id = uploaded.id();
            match all.iter().find(|i| i.id() == id) {
                None => all.push(uploaded),
                Some(other) => {
                    let place = other.origin.component().map_or("the worker itself".to_owned(), |c| c.file.display().to_string());
                    tracing::warn!("uploaded {id} is not used: {place} has the same name and version");
                }
            }
        }
        let withdrawn = store.withdrawn()?;
        Ok(Plugins { set: RwLock::new(Arc::new(Set::new(all, withdrawn))), store: Some(store) })
    }

    pub fn store(&self) -> Result<&Store, InstallError> {
        self.store.as_ref().ok_or(InstallError::Nowhere)
    }

    fn swap(&self, change: impl FnOnce(&mut Vec<Installed>, &mut std::collections::BTreeSet<Id>)) {
        let now = self.now();
        let (mut all, mut withdrawn) = (now.all().to_vec(), now.withdrawn().clone());
        change(&mut all, &mut withdrawn);
        *self.set.write() = Arc::new(Set::new(all, withdrawn));
    }

    /// Takes an upload for a plugin: loads it as at a start, and keeps it. `replace`: also in place of an uploaded one of the
    /// same name and version.
    pub async fn install(&self, incoming: Incoming, replace: bool) -> Result<Outcome, InstallError> {
        let store = self.store()?;
        let _one = store.one.lock().await;
        let loaded = store.sandbox.load_file(&incoming.path, &store.schemas).await;
        let candidate = Installed::uploaded(loaded.map_err(|e| InstallError::Refused(e.to_string()))?);
        let id = candidate.id();
        check_name("version", &id.version)?;
        check_name("name", &id.name)?;
        let now = self.now();
        if let Some(other) = now.find(&id) {
            let same = other.origin.component().map(|c| &c.sha256) == candidate.origin.component().map(|c| &c.sha256);
            // Other grants for the same component are asked for by `replace`.
            if same && (incoming.grants.is_empty() || !replace) {
                // Sent again, a version stands again.
                let mut withdrawn = now.withdrawn().clone();
                if withdrawn.remove(&id) {
                    store.note_withdrawn(&withdrawn)?;
                    self.swap(|_, w| {
                        w.remove(&id);
                    });
                }
                return Ok(Outcome { installed: other.clone(), new: false });
            }
            match &other.origin {
                Origin::Upload(_) if replace => {}
                Origin::Upload(_) => {
                    return Err(InstallError::Conflict(format!(
                        "{id} is there already with other content: give the plugin another version, or add ?replace=true"
                    )));
                }
                Origin::Path(component) => {
                    let file = component.file.display();
                    return Err(InstallError::Conflict(format!(
                        "{id} is there already with other content, in {file} of \"plugin.path\": give the plugin another version"
                    )));
                }
                Origin::BuiltIn => {
                    return Err(InstallError::Conflict(format!("{id} is part of the worker: give the plugin another name")));
                }
            }
        }
        check_names(&now, &candidate)?;
        let (file, incoming) = (store.keep(&incoming, &id)?, incoming);
        drop(incoming);
        let loaded = store.sandbox.load_file(&file, &store.schemas).await;
        let installed = Installed::uploaded(loaded.map_err(|e| InstallError::Failed(e.to_string()))?);
        let mut withdrawn = now.withdrawn().clone();
        if withdrawn.remove(&id) {
            store.note_withdrawn(&withdrawn)?;
        }
        self.swap(|all, withdrawn| {
            all.retain(|i| i.id() != id);
            withdrawn.remove(&id);
            all.push(installed.clone());
        });
        tracing::info!(plugin = id.name, kind = id.kind, version = id.version, "plugin uploaded");
        Ok(Outcome { installed, new: true })
    }

    /// The version that a request names; of two kinds that share the name `kind` says which.
    pub fn named_version(&self, name: &str, version: &str, kind: Option<&str>) -> Result<Installed, InstallError> {
        let now = self.now();
        let mut found = now.versions_of(name);
        found.retain(|i| i.version() == version && kind.is_none_or(|k| i.id().kind == k));
        match found[..] {
            [one] => Ok(one.clone()),
            [] => Err(InstallError::NotFound(format!("Plugin {name} is not there in version {version}"))),
            _ => Err(InstallError::Conflict(format!("A source and a sink are called {name}: add ?type=source or ?type=sink"))),
        }
    }

    /// Removes an uploaded version. That nobody uses it is for the caller to know.
    pub async fn remove(&self, id: &Id) -> Result<(), InstallError> {
        let store = self.store()?;
        let _one = store.one.lock().await;
        let now = self.now();
        let gone = || InstallError::NotFound(format!("Plugin {} is not there in version {}", id.name, id.version));
        match &now.find(id).ok_or_else(gone)?.origin {
            Origin::Upload(component) => store.remove(&component.file)?,
            Origin::Path(component) => {
                let file = component.file.display();
                return Err(InstallError::Conflict(format!(
                    "{id} was not uploaded: it is in \"plugin.path\"; remove {file} and start the worker again"
                )));
            }
            Origin::BuiltIn => return Err(InstallError::Conflict(format!("{id} is part of the worker"))),
        }
        let mut withdrawn = now.withdrawn().clone();
        if withdrawn.remove(id) {
            store.note_withdrawn(&withdrawn)?;
        }
        self.swap(|all, withdrawn| {
            all.retain(|i| i.id() != *id);
            withdrawn.remove(id);
        });
        tracing::info!(plugin = id.name, kind = id.kind, version = id.version, "plugin removed");
        Ok(())
    }

    /// Withdraws the version of a plugin that is taken now; what is taken then is the one before. Answers both.
    pub async fn roll_back(&self, name: &str, kind: Option<&str>) -> Result<(Installed, Installed), InstallError> {
        let store = self.store()?;
        let _one = store.one.lock().await;
        let now = self.now();
        let mut versions = now.versions_of(name);
        versions.retain(|i| kind.is_none_or(|k| i.id().kind == k));
        let Some(first) = versions.first().copied() else {
            return Err(InstallError::NotFound(format!("Plugin {name} not found")));
        };
        if versions.iter().any(|i| !i.is_of(first)) {
            return Err(InstallError::Conflict(format!("A source and a sink are called {name}: add ?type=source or ?type=sink")));
        }
        versions.sort_by(|a, b| now.rank(b, a));
        versions.retain(|i| !now.withdrawn().contains(&i.id()));
        let [from, to, ..] = versions[..] else {
            return Err(InstallError::Conflict(format!("Plugin {name} has no version to go back to")));
        };
        let mut withdrawn = now.withdrawn().clone();
        withdrawn.insert(from.id());
        store.note_withdrawn(&withdrawn)?;
        self.swap(|_, w| *w = withdrawn);
        tracing::info!(plugin = name, from = from.version(), to = to.version(), "plugin rolled back");
        Ok((from.clone(), to.clone()))
    }
}

/// Names become parts of files and paths.
fn check_name(what: &str, text: &str) -> Result<(), InstallError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let well = !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(plain) && !text.starts_with('.');
    if well && !RESERVED.contains(&text) {
        return Ok(());
    }
    let short: String = text.chars().take(NAME_MAX).collect();
    Err(InstallError::Refused(format!(
        "its {what} is \"{short}\": use 1 to {NAME_MAX} letters, digits, dots, dashes, underscores and pluses, not a dot first, and not {}",
        RESERVED.join(" or ")
    )))
}

/// Nobody takes another plugin's names: a connector would run something else than it asked for.
fn check_names(now: &Set, candidate: &Installed) -> Result<(), InstallError> {
    let info = candidate.plugin.info();
    let own = info.class_names.iter().map(String::as_str).chain([info.name.as_str()]);
    for name in own {
        let other = now.named(name, None).into_iter().find(|i| i.kind() == candidate.kind() && !i.is_of(candidate));
        if let Some(other) = other {
            let (id, class) = (other.id(), class(&*other.plugin));
            return Err(InstallError::Conflict(format!(
                "the name {name} of this plugin is taken by the {id} ({class}): give the plugin names of its own"
            )));
        }
    }
    Ok(())
}

/// Whether both are the same plugin in the same version and from the same file.
pub fn same(a: &Arc<dyn Plugin>, b: &Arc<dyn Plugin>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}
