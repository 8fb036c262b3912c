//! What is installed at one moment, and which version of it a name and a requirement stand for.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use millrace_record::{Plugin, PluginKind};
use millrace_sandbox::Loaded;
use serde::{Deserialize, Serialize};

use super::version::{Requirement, order};
use super::{class, kind_name, names};

/// Where a plugin is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Part of the worker.
    BuiltIn,
    /// Found on `plugin.path`.
    Path(Component),
    /// Uploaded over REST.
    Upload(Component),
}

/// The file of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    pub file: PathBuf,
    /// In hexadecimal digits.
    pub sha256: String,
    pub bytes: u64,
}

impl Origin {
    /// As REST names it.
    pub fn name(&self) -> &'static str {
        match self {
            Origin::BuiltIn => "built-in",
            Origin::Path(_) => "path",
            Origin::Upload(_) => "upload",
        }
    }

    pub fn component(&self) -> Option<&Component> {
        match self {
            Origin::BuiltIn => None,
            Origin::Path(component) | Origin::Upload(component) => Some(component),
        }
    }
}

/// A plugin in one version, and where it is from.
#[derive(Clone)]
pub struct Installed {
    pub plugin: Arc<dyn Plugin>,
    pub origin: Origin,
}

impl Installed {
    pub fn built_in(plugin: Arc<dyn Plugin>) -> Self {
        Installed { plugin, origin: Origin::BuiltIn }
    }

    pub fn on_path(loaded: Loaded) -> Self {
        let Loaded { plugin, file, sha256, bytes } = loaded;
        Installed { plugin, origin: Origin::Path(Component { file, sha256, bytes }) }
    }

    pub fn uploaded(loaded: Loaded) -> Self {
        let Loaded { plugin, file, sha256, bytes } = loaded;
        Installed { plugin, origin: Origin::Upload(Component { file, sha256, bytes }) }
    }

    pub fn id(&self) -> Id {
        let info = self.plugin.info();
        Id { kind: kind_name(info.kind).to_owned(), name: info.name.clone(), version: info.version.clone() }
    }

    pub fn kind(&self) -> PluginKind {
        self.plugin.info().kind
    }

    pub fn version(&self) -> &str {
        &self.plugin.info().version
    }

    /// Whether both are versions of one plugin.
    pub fn is_of(&self, other: &Installed) -> bool {
        let (a, b) = (self.plugin.info(), other.plugin.info());
        (a.kind, &a.name) == (b.kind, &b.name)
    }

    /// Whether it has this name: a full class name, a simple one, an alias or its short name.
    fn answers(&self, name: &str) -> bool {
        let info = self.plugin.info();
        // A nested class has its full name alone, as in Connect.
        (info.name == name && !name.contains('$')) || info.class_names.iter().any(|c| names(c, name))
    }
}

/// One version of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// As in Connect's lists.
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    pub version: String,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} \"{}\" {}", self.kind, self.name, self.version)
    }
}

/// All that is installed; it does not change.
#[derive(Clone, Default)]
pub struct Set {
    all: Vec<Installed>,
    /// Versions that a rollback has left: taken where no other will do.
    withdrawn: BTreeSet<Id>,
    /// The classes of transforms, sorted.
    transforms: Arc<[String]>,
}

impl Set {
    pub fn new(mut all: Vec<Installed>, withdrawn: BTreeSet<Id>) -> Self {
        let key = |i: &Installed| (kind_name(i.kind()), class(&*i.plugin).to_owned());
        all.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| order(a.version(), b.version())));
        let transforms = all.iter().filter(|i| i.kind() == PluginKind::Transform);
        let mut transforms: Vec<_> = transforms.map(|i| class(&*i.plugin).to_owned()).collect();
        transforms.dedup();
        Set { all, withdrawn, transforms: transforms.into() }
    }

    /// Sorted by kind, class and version.
    pub fn all(&self) -> &[Installed] {
        &self.all
    }

    pub fn withdrawn(&self) -> &BTreeSet<Id> {
        &self.withdrawn
    }

    pub fn transform_classes(&self) -> Arc<[String]> {
        self.transforms.clone()
    }

    pub fn find(&self, id: &Id) -> Option<&Installed> {
        self.all.iter().find(|i| i.id() == *id)
    }

    /// Those of a short name, in every version, oldest first.
    pub fn versions_of(&self, name: &str) -> Vec<&Installed> {
        self.all.iter().filter(|i| i.plugin.info().name == name).collect()
    }

    /// Of every plugin of this name the version that is taken, where one fits.
    pub fn named(&self, name: &str, required: Option<&Requirement>) -> Vec<&Installed> {
        let mut taken: Vec<&Installed> = Vec::new();
        let fits = |i: &&Installed| i.answers(name) && required.is_none_or(|r| r.has(i.version()));
        for one in self.all.iter().filter(fits) {
            match taken.iter_mut().find(|t| t.is_of(one)) {
                None => taken.push(one),
                Some(other) if self.rank(one, &**other).is_gt() => *other = one,
                Some(_) => {}
            }
        }
        taken
    }

    /// Which of two versions is taken: one that was not withdrawn, then the newer.
    pub fn rank(&self, a: &Installed, b: &Installed) -> Ordering {
        let stands = |i: &Installed| self.withdrawn.is_empty() || !self.withdrawn.contains(&i.id());
        stands(a).cmp(&stands(b)).then_with(|| order(a.version(), b.version()))
    }
}
