//! What the registry knows: the records of the log, one after the other. Two readers of one log know the same, whatever
//! the log's compaction has taken out between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::association::{Association, AssociationKey};
use super::config::Config;
use super::mode::Mode;
use super::record::{Content, Digest, Record, SchemaRecord};
use super::subject::Subject;
use crate::{Dependency, Reference};

/// How many schemas one may need, by its references and theirs.
const DEPENDENCIES_MAX: usize = 1_000;

/// One version of a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    pub id: i32,
    pub schema: Arc<Content>,
    /// Not for good.
    pub deleted: bool,
}

pub type Versions = BTreeMap<i32, Version>;

/// Ids are of a context.
#[derive(Debug, Clone, Default, PartialEq)]
struct Context {
    ids: HashMap<i32, Identified>,
    /// The same schema may have come with several ids under IMPORT: the least of them counts.
    digests: BTreeSet<(Digest, i32)>,
    max_id: i32,
}

#[derive(Debug, Clone, PartialEq)]
struct Identified {
    schema: Arc<Content>,
    versions: BTreeSet<(Subject, i32)>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    subjects: BTreeMap<Subject, Versions>,
    contexts: BTreeMap<String, Context>,
    /// Contexts with a record of their own.
    named: BTreeSet<String>,
    /// Of a version: the versions that refer to it.
    referrers: HashMap<(Subject, i32), BTreeSet<(Subject, i32)>>,
    configs: BTreeMap<Option<Subject>, Config>,
    modes: BTreeMap<Option<Subject>, Mode>,
    associations: BTreeMap<AssociationKey, Association>,
}

impl State {
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Schema(record) => self.put(record),
            Record::NoSchema { subject, version } => self.remove(subject, *version),
            Record::DeleteSubject { subject, version } => {
                let versions = self.subjects.get_mut(subject).into_iter().flat_map(|v| v.range_mut(..=version));
                versions.for_each(|(_, version)| version.deleted = true);
            }
            Record::Config(scope, config) => match config {
                Some(config) => drop(self.configs.insert(scope.clone(), config.clone())),
                None => drop(self.configs.remove(scope)),
            },
            Record::Mode(scope, mode) => match mode {
                Some(mode) => drop(self.modes.insert(scope.clone(), *mode)),
                None => drop(self.modes.remove(scope)),
            },
            Record::Association(key, Some(association)) => drop(self.associations.insert(key.clone(), association.clone())),
            Record::Association(key, None) => drop(self.associations.remove(key)),
            Record::Context { context, exists: true } => drop(self.named.insert(context.clone())),
            Record::Context { context, exists: false } => drop(self.named.remove(context)),
            Record::MaxId { context, id } => {
                let context = self.contexts.entry(context.clone()).or_default();
                context.max_id = context.max_id.max(*id);
            }
            Record::NoDeleteSubject(_) | Record::Noop | Record::Other(_) => {}
        }
    }

    fn put(&mut self, record: &SchemaRecord) {
        let SchemaRecord { subject, version, id, schema, deleted } = record;
        self.remove(subject, *version);
        let context = self.contexts.entry(subject.context.clone()).or_default();
        context.max_id = context.max_id.max(*id);
        let identified =
            context.ids.entry(*id).or_insert_with(|| Identified { schema: schema.clone(), versions: BTreeSet::new() });
        // One text in memory for all that have it.
        let schema = if identified.schema == *schema { identified.schema.clone() } else { schema.clone() };
        identified.versions.insert((subject.clone(), *version));
        context.digests.insert((identified.schema.digest(), *id));
        for reference in &schema.references {
            let to = (subject.beside(&reference.subject), reference.version);
            self.referrers.entry(to).or_default().insert((subject.clone(), *version));
        }
        let version_of = Version { id: *id, schema, deleted: *deleted };
        self.subjects.entry(subject.clone()).or_default().insert(*version, version_of);
    }

    fn remove(&mut self, subject: &Subject, version: i32) {
        let Some(versions) = self.subjects.get_mut(subject) else { return };
        let Some(gone) = versions.remove(&version) else { return };
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        let place = (subject.clone(), version);
        for reference in &gone.schema.references {
            let to = (subject.beside(&reference.subject), reference.version);
            if let Some(from) = self.referrers.get_mut(&to) {
                from.remove(&place);
                if from.is_empty() {
                    self.referrers.remove(&to);
                }
            }
        }
        let Some(context) = self.contexts.get_mut(&subject.context) else { return };
        let Some(identified) = context.ids.get_mut(&gone.id) else { return };
        identified.versions.remove(&place);
        if identified.versions.is_empty() {
            context.digests.remove(&(identified.schema.digest(), gone.id));
            context.ids.remove(&gone.id);
        }
    }

    /// All of a subject's, deleted ones too.
    pub fn versions(&self, subject: &Subject) -> Option<&Versions> {
        self.subjects.get(subject)
    }

    pub fn live(&self, subject: &Subject) -> impl DoubleEndedIterator<Item = (i32, &Version)> {
        self.subjects.get(subject).into_iter().flatten().filter(|(_, v)| !v.deleted).map(|(n, v)| (*n, v))
    }

    pub fn latest(&self, subject: &Subject) -> Option<(i32, &Version)> {
        self.live(subject).next_back()
    }

    pub fn subjects(&self) -> impl Iterator<Item = (&Subject, &Versions)> {
        self.subjects.iter()
    }

    /// The subjects that a scope of settings covers.
    pub fn within(&self, scope: Option<&Subject>) -> impl Iterator<Item = (&Subject, &Versions)> {
        self.subjects.iter().filter(move |(subject, _)| match scope {
            None => true,
            Some(scope) if scope.name.is_empty() => scope.context == subject.context,
            Some(scope) => scope == *subject,
        })
    }

    pub fn by_id(&self, context: &str, id: i32) -> Option<&Arc<Content>> {
        Some(&self.contexts.get(context)?.ids.get(&id)?.schema)
    }

    /// The versions of an id, deleted ones too.
    pub fn versions_of_id(&self, context: &str, id: i32) -> impl Iterator<Item = (&Subject, i32, &Version)> {
        let identified = self.contexts.get(context).and_then(|c| c.ids.get(&id));
        let places = identified.into_iter().flat_map(|i| &i.versions);
        places.filter_map(|(subject, version)| Some((subject, *version, self.subjects.get(subject)?.get(version)?)))
    }

    pub fn id_of(&self, context: &str, digest: Digest) -> Option<i32> {
        let same: RangeInclusive<(Digest, i32)> = (digest, i32::MIN)..=(digest, i32::MAX);
        self.contexts.get(context)?.digests.range(same).next().map(|(_, id)| *id)
    }

    /// The highest id that a context has given out.
    pub fn max_id(&self, context: &str) -> i32 {
        self.contexts.get(context).map_or(0, |c| c.max_id)
    }

    pub fn contexts(&self) -> BTreeSet<&str> {
        let used = self.subjects.keys().map(|s| s.context.as_str());
        used.chain(self.named.iter().map(String::as_str)).chain([super::subject::DEFAULT_CONTEXT]).collect()
    }

    pub fn is_named(&self, context: &str) -> bool {
        self.named.contains(context)
    }

    /// The versions that refer to this one.
    pub fn referrers(&self, subject: &Subject, version: i32) -> impl Iterator<Item = (&Subject, i32, &Version)> {
        let places = self.referrers.get(&(subject.clone(), version)).into_iter().flatten();
        places.filter_map(|(subject, version)| Some((subject, *version, self.subjects.get(subject)?.get(version)?)))
    }

    pub fn config(&self, scope: Option<&Subject>) -> Option<&Config> {
        self.configs.get(&scope.cloned())
    }

    /// What holds for a subject, all told.
    pub fn config_for(&self, scope: Option<&Subject>) -> Config {
        let mut config = Config::default();
        for scope in scopes(scope) {
            if let Some(more) = self.configs.get(&scope) {
                config = more.or(&config);
            }
        }
        config.compatibility_level = Some(config.level());
        config
    }

    pub fn mode(&self, scope: Option<&Subject>) -> Option<Mode> {
        self.modes.get(&scope.cloned()).copied()
    }

    pub fn association(&self, key: &AssociationKey) -> Option<&Association> {
        self.associations.get(key)
    }

    pub fn associations(&self) -> impl Iterator<Item = &Association> {
        self.associations.values()
    }

    /// What has a mode of its own within a scope, the scope itself too.
    pub fn modes_within(&self, scope: Option<&Subject>) -> impl Iterator<Item = Option<&Subject>> {
        self.modes.keys().map(Option::as_ref).filter(move |of| match (scope, of) {
            (None, _) => true,
            (Some(scope), Some(of)) if scope.name.is_empty() => scope.context == of.context,
            (scope, of) => scope == *of,
        })
    }

    pub fn mode_for(&self, scope: Option<&Subject>) -> Mode {
        let scopes = scopes(scope);
        let modes: Vec<_> = scopes.iter().filter_map(|s| self.modes.get(s).copied()).collect();
        let over = modes.iter().find(|m| **m == Mode::ReadOnlyOverride);
        over.or(modes.last()).copied().unwrap_or_default()
    }

    /// The subject that a name stands for: itself, or the one that its alias names.
    pub fn resolved(&self, subject: Subject) -> Subject {
        match self.config(Some(&subject)).and_then(|c| c.alias.as_deref()).filter(|a| !a.is_empty()) {
            Some(alias) => subject.beside(alias),
            None => subject,
        }
    }

    /// The version that a reference means: -1 is the latest.
    pub fn reference(&self, from: &Subject, reference: &Reference) -> Option<(Subject, i32, &Version)> {
        let subject = self.resolved(from.beside(&reference.subject));
        let (number, version) = match reference.version {
            -1 => self.latest(&subject)?,
            number => (number, self.subjects.get(&subject)?.get(&number)?),
        };
        Some((subject, number, version))
    }

    /// The texts behind references, each after those that it needs itself; else the reference that leads nowhere.
    pub fn dependencies(&self, from: &Subject, references: &[Reference]) -> Result<Vec<Dependency>, String> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        self.collect(from, references, &mut seen, &mut found)?;
        Ok(found)
    }

    fn collect(
        &self,
        from: &Subject,
        references: &[Reference],
        seen: &mut BTreeSet<String>,
        found: &mut Vec<Dependency>,
    ) -> Result<(), String> {
        for reference in references {
            if !seen.insert(reference.name.clone()) {
                continue;
            }
            if seen.len() > DEPENDENCIES_MAX {
                return Err(format!("it needs more than {DEPENDENCIES_MAX} other schemas"));
            }
            let Some((subject, _, version)) = self.reference(from, reference) else {
                let Reference { name, subject, version } = reference;
                return Err(format!("No schema reference found for subject \"{subject}\" and version {version} (\"{name}\")"));
            };
            self.collect(&subject, &version.schema.references, seen, found)?;
            found.push(Dependency { name: reference.name.clone(), text: version.schema.text.clone() });
        }
        Ok(())
    }
}

/// Where a setting for this may stand, the widest first.
fn scopes(scope: Option<&Subject>) -> Vec<Option<Subject>> {
    let context = scope.and_then(Subject::context_scope);
    let own = scope.filter(|s| !s.name.is_empty()).cloned();
    [None].into_iter().chain([context, own].into_iter().flatten().map(Some)).collect()
}
