//! What may be asked to change, and what is decided: the records that make the change, out of the state alone.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::association::{self, AssociationRequest, Filter};
use super::config::Config;
use super::error::ApiError;
use super::mode::Mode;
use super::record::Record;
use super::register::{self, NewSchema};
use super::state::State;
use super::subject::Subject;
use super::texts::Texts;

/// `latest`, `-1`, or a number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionId {
    Latest,
    Number(i32),
}

impl VersionId {
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        match text {
            "latest" | "-1" => Ok(VersionId::Latest),
            text => {
                let number = text.parse().ok().filter(|n| *n >= 1);
                number.map(VersionId::Number).ok_or_else(|| ApiError::invalid_version(text))
            }
        }
    }
}

/// A request that may change the state.
#[derive(Debug, Clone)]
pub enum Command {
    Register {
        subject: Subject,
        schema: Arc<NewSchema>,
        normalize: bool,
    },
    DeleteSubject {
        subject: Subject,
        permanent: bool,
    },
    DeleteVersion {
        subject: Subject,
        version: VersionId,
        permanent: bool,
    },
    SetConfig {
        scope: Option<Subject>,
        request: Map<String, Value>,
    },
    DeleteConfig {
        scope: Option<Subject>,
    },
    SetMode {
        scope: Option<Subject>,
        mode: Mode,
        force: bool,
    },
    /// `recursive`: those of the subjects within, too.
    DeleteMode {
        scope: Option<Subject>,
        recursive: bool,
    },
    DeleteContext {
        context: String,
    },
    /// `update`: those that are there may change.
    Associate {
        request: Arc<AssociationRequest>,
        update: bool,
    },
    Dissociate {
        resource_id: String,
        filter: Filter,
        cascade: bool,
    },
}

/// The records to write, and what to answer once they are written.
#[derive(Debug)]
pub struct Decision {
    pub records: Vec<Record>,
    pub answer: Value,
}

impl Decision {
    /// Nothing changes.
    pub fn known(answer: Value) -> Self {
        Decision { records: Vec::new(), answer }
    }
}

impl Command {
    pub fn decide(&self, state: &State, texts: &Texts) -> Result<Decision, ApiError> {
        match self {
            Command::Register { subject, schema, normalize } => register::decide(state, texts, subject, schema, *normalize),
            Command::DeleteSubject { subject, permanent: false } => delete_subject(state, subject),
            Command::DeleteSubject { subject, permanent: true } => forget_subject(state, subject),
            Command::DeleteVersion { subject, version, permanent: false } => delete_version(state, subject, *version),
            Command::DeleteVersion { subject, version, permanent: true } => forget_version(state, subject, *version),
            Command::SetConfig { scope, request } => {
                writable(state, scope.as_ref())?;
                let config = state.config(scope.as_ref()).cloned().unwrap_or_default().updated(request)?;
                let answer = Config::default().updated(request)?.echo();
                Ok(Decision { records: vec![Record::Config(scope.clone(), Some(config))], answer })
            }
            Command::DeleteConfig { scope } => {
                writable(state, scope.as_ref())?;
                match (state.config(scope.as_ref()), scope) {
                    (Some(old), _) => Ok(Decision { records: vec![Record::Config(scope.clone(), None)], answer: json!(old) }),
                    (None, Some(subject)) => Err(ApiError::subject_not_found(subject)),
                    (None, None) => Ok(Decision::known(json!(state.config_for(None)))),
                }
            }
            Command::Associate { request, update } => association::associate(state, request, *update),
            Command::Dissociate { resource_id, filter, cascade } => association::dissociate(state, resource_id, filter, *cascade),
            Command::SetMode { scope, mode, force } => set_mode(state, scope, *mode, *force),
            Command::DeleteMode { scope, recursive } => delete_mode(state, scope, *recursive),
            Command::DeleteContext { context } => {
                if state.subjects().any(|(subject, _)| subject.context == *context) {
                    return Err(ApiError::context_not_empty(context));
                }
                if !state.is_named(context) {
                    return Err(ApiError::context_not_found(context));
                }
                let record = Record::Context { context: context.clone(), exists: false };
                Ok(Decision { records: vec![record], answer: Value::Null })
            }
        }
    }
}

/// Where nothing may be written, says so.
pub fn writable(state: &State, scope: Option<&Subject>) -> Result<(), ApiError> {
    let mode = state.mode_for(scope);
    if !mode.is_read_only() {
        return Ok(());
    }
    let which = match mode {
        Mode::Forward => "forward mode, and there is no registry to forward to; write to the registry that it follows",
        _ => "read-only mode",
    };
    Err(ApiError::not_permitted(match scope {
        Some(s) => format!("Subject {} in context {} is in {which}", s.name, s.context),
        None => format!("All subjects are in {which}"),
    }))
}

/// A subject without versions keeps no settings.
fn settings_gone(state: &State, subject: &Subject) -> impl Iterator<Item = Record> {
    let scope = Some(subject.clone());
    let config = state.config(Some(subject)).map(|_| Record::Config(scope.clone(), None));
    let mode = state.mode(Some(subject)).map(|_| Record::Mode(scope, None));
    config.into_iter().chain(mode)
}

pub fn delete_subject(state: &State, subject: &Subject) -> Result<Decision, ApiError> {
    writable(state, Some(subject))?;
    let versions = state.versions(subject).ok_or_else(|| ApiError::subject_not_found(subject))?;
    let live: Vec<i32> = state.live(subject).map(|(number, _)| number).collect();
    if live.is_empty() {
        return Err(ApiError::subject_deleted(subject));
    }
    for number in &live {
        // Its own versions go together.
        if state.referrers(subject, *number).any(|(from, _, version)| from != subject && !version.deleted) {
            return Err(ApiError::referenced(subject, *number));
        }
    }
    // It takes the place of the one before it in the log, so it must cover what that one did.
    let last = versions.keys().next_back().copied().unwrap_or_default();
    let deleted = Record::DeleteSubject { subject: subject.clone(), version: last };
    let records = [deleted].into_iter().chain(settings_gone(state, subject)).collect();
    Ok(Decision { records, answer: json!(live) })
}

fn forget_subject(state: &State, subject: &Subject) -> Result<Decision, ApiError> {
    writable(state, Some(subject))?;
    let versions = state.versions(subject).ok_or_else(|| ApiError::subject_not_found(subject))?;
    if versions.values().any(|v| !v.deleted) {
        return Err(ApiError::subject_not_deleted(subject));
    }
    for number in versions.keys() {
        // What refers to it may still be asked for by its id, deleted as it is.
        if state.referrers(subject, *number).any(|(from, _, _)| from != subject) {
            return Err(ApiError::referenced(subject, *number));
        }
    }
    let mut records = vec![ids_kept(state, subject)];
    records.extend(versions.keys().map(|version| Record::NoSchema { subject: subject.clone(), version: *version }));
    records.push(Record::NoDeleteSubject(subject.clone()));
    records.extend(settings_gone(state, subject));
    Ok(Decision { records, answer: json!(versions.keys().collect::<Vec<_>>()) })
}

/// No id is given out twice, even if the last record that holds it goes.
pub fn ids_kept(state: &State, subject: &Subject) -> Record {
    Record::MaxId { context: subject.context.clone(), id: state.max_id(&subject.context) }
}

fn delete_version(state: &State, subject: &Subject, version: VersionId) -> Result<Decision, ApiError> {
    writable(state, Some(subject))?;
    let versions = state.versions(subject).ok_or_else(|| ApiError::subject_not_found(subject))?;
    let number = match version {
        VersionId::Number(number) => number,
        VersionId::Latest => state.latest(subject).ok_or_else(|| ApiError::subject_not_found(subject))?.0,
    };
    let found = versions.get(&number).ok_or_else(|| ApiError::version_not_found(number))?;
    if found.deleted {
        return Err(ApiError::version_deleted(subject, number));
    }
    if state.referrers(subject, number).any(|(_, _, version)| !version.deleted) {
        return Err(ApiError::referenced(subject, number));
    }
    let mut records = vec![Record::Schema(register::record(subject, number, found.id, &found.schema, true))];
    if state.live(subject).count() == 1 {
        records.extend(settings_gone(state, subject));
    }
    Ok(Decision { records, answer: json!(number) })
}

fn forget_version(state: &State, subject: &Subject, version: VersionId) -> Result<Decision, ApiError> {
    writable(state, Some(subject))?;
    let versions = state.versions(subject).ok_or_else(|| ApiError::subject_not_found(subject))?;
    let number = match version {
        VersionId::Number(number) => number,
        VersionId::Latest => versions.keys().next_back().copied().unwrap_or_default(),
    };
    let found = versions.get(&number).ok_or_else(|| ApiError::version_not_found(number))?;
    if !found.deleted {
        return Err(ApiError::version_not_deleted(subject, number));
    }
    if state.referrers(subject, number).next().is_some() {
        return Err(ApiError::referenced(subject, number));
    }
    let mut records = vec![ids_kept(state, subject), Record::NoSchema { subject: subject.clone(), version: number }];
    if versions.len() == 1 {
        records.push(Record::NoDeleteSubject(subject.clone()));
        records.extend(settings_gone(state, subject));
    }
    Ok(Decision { records, answer: json!(number) })
}

fn delete_mode(state: &State, scope: &Option<Subject>, recursive: bool) -> Result<Decision, ApiError> {
    let mut records: Vec<_> = state.mode(scope.as_ref()).map(|_| Record::Mode(scope.clone(), None)).into_iter().collect();
    if recursive {
        let within = state.modes_within(scope.as_ref()).filter(|within| *within != scope.as_ref());
        records.extend(within.map(|within| Record::Mode(within.cloned(), None)));
    }
    match (state.mode(scope.as_ref()), scope) {
        (None, Some(subject)) if records.is_empty() => Err(ApiError::subject_not_found(subject)),
        (old, _) => Ok(Decision { records, answer: json!({"mode": old.unwrap_or_default().name()}) }),
    }
}

fn set_mode(state: &State, scope: &Option<Subject>, mode: Mode, force: bool) -> Result<Decision, ApiError> {
    let importing = mode == Mode::Import && state.mode_for(scope.as_ref()) != Mode::Import;
    // Ids that come from elsewhere would meet those given out here.
    if importing && !force && state.within(scope.as_ref()).any(|(_, versions)| versions.values().any(|v| !v.deleted)) {
        return Err(ApiError::not_permitted("Cannot import since found existing subjects"));
    }
    Ok(Decision { records: vec![Record::Mode(scope.clone(), Some(mode))], answer: json!({"mode": mode.name()}) })
}
