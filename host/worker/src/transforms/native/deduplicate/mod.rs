//! `Deduplicate`: of change events that the log has twice, the second is dropped.
//!
//! Not one of Kafka Connect's. A source without exactly-once delivery goes on from its last stored offset after a kill, and
//! what came after that is in the log again. A sink that writes by keys does not mind, one that appends does.
//! [`identity`] says which records are the same, [`window`] what has been let through.

mod chunk;
mod identity;
mod window;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use millrace_record::config::{ConfigType, Default, Importance, Validator};
use millrace_record::{Batch, Outcome, TaskContext, TaskError, Transform};
use millrace_sandbox::Metrics;

use self::identity::Identities;
use self::window::{Fate, Limits, Windows};
use super::path::dotted;
use super::{Definition, INSTEAD, Incoming, Make, Settings, Wrong, key};

const TTL: &str = "ttl.ms";
const ENTRIES: &str = "max.entries";
const FIELDS: &str = "fields";

pub(super) const NAME: &str = "Deduplicate";

pub(super) fn definition() -> Definition {
    let entries = key(
        ENTRIES,
        ConfigType::Int,
        Default::Value("100000".into()),
        Importance::Medium,
        "The most changes that each task remembers, of about 100 bytes each. Where there are more, the oldest are forgotten before \
         their time.",
    );
    Definition {
        name: NAME,
        documentation: "Drops change events that the log has twice: what it has let through before, by the place in the database's \
                        log, the table, the operation, the rows and the key. For sinks.",
        keys: vec![
            key(
                TTL,
                ConfigType::Long,
                Default::Value("86400000".into()),
                Importance::Medium,
                "How long a change is remembered, in milliseconds from when it was let through; an eighth longer at most.",
            )
            .must(Validator::AtLeast(1)),
            entries.must(Validator::AtLeast(1)),
            key(
                FIELDS,
                ConfigType::List,
                Default::Value(String::new()),
                Importance::Medium,
                "Fields of the value that name a change, together with the record's key: paths, with dots between their names \
                 and backticks around a name that has dots. Without: as Debezium's events have them, also unwrapped ones with the \
                 added fields __lsn, __schema and __table.",
            ),
        ],
        make: Make::Stateful(|settings, context, metrics| Ok(Box::new(Deduplicate::new(settings, context, metrics)?))),
    }
}

struct Deduplicate {
    identities: Identities,
    windows: Windows,
    context: TaskContext,
    metrics: Arc<Metrics>,
    ttl_ms: i64,
    entries: usize,
    /// Of what it was said once: that records have no identity, and that entries are pushed out.
    told: (bool, bool),
    pushed_out: u64,
    /// The next place of a record that has none, where records are only tried.
    tried: i64,
}

impl Deduplicate {
    fn new(settings: &Settings<'_>, context: &TaskContext, metrics: &Arc<Metrics>) -> Result<Self, Wrong> {
        let number = |key| settings.required(key).trim().parse::<i64>().map_err(|e| (key, e.to_string()));
        let (ttl_ms, entries) = (number(TTL)?, number(ENTRIES)? as usize);
        let fields: Vec<_> = settings.names(FIELDS);
        let fields: Result<Vec<_>, _> = fields.iter().map(|path| dotted(path).map_err(|why| (FIELDS, why))).collect();
        let fields = fields?;
        if fields.iter().any(|path| path.is_empty() || path.iter().any(String::is_empty)) {
            let given = settings.required(FIELDS);
            let why = format!(
                "Invalid value {given} for configuration {FIELDS}: a path has an empty name; write a name between any two dots"
            );
            return Err((FIELDS, why));
        }
        Ok(Deduplicate {
            identities: Identities::new((!fields.is_empty()).then_some(fields), &context.schemas),
            windows: Windows::new(context.services.state.clone(), Limits { ttl_ms, entries }),
            context: context.clone(),
            metrics: metrics.clone(),
            ttl_ms,
            entries,
            told: (false, false),
            pushed_out: 0,
            tried: 0,
        })
    }

    fn count(&self, name: &str, n: u64) {
        let TaskContext { connector, task, alias, .. } = &self.context;
        if n > 0 && !self.context.services.dry_run {
            let labels = vec![("transform".to_owned(), alias.clone().unwrap_or_default())];
            self.metrics.count((NAME, connector, *task), name, labels, n);
        }
    }

    /// The topic of records that nobody can say the same of, and how many.
    fn unknown(&mut self, topic: &str, n: u64) {
        self.count("records_without_identity", n);
        if !std::mem::replace(&mut self.told.0, true) {
            tracing::warn!(
                transform = self.context.alias,
                topic,
                "records have no identity and pass, however often they come: they are no change events with a place in a \
                 database's log, a table and a key; set \"{FIELDS}\", or leave the topic out by a predicate"
            );
        }
    }

    fn tell_of_pushed_out(&mut self) {
        let n = self.windows.pushed_out() - std::mem::replace(&mut self.pushed_out, self.windows.pushed_out());
        self.count("entries_pushed_out", n);
        if n > 0 && !std::mem::replace(&mut self.told.1, true) {
            tracing::warn!(
                transform = self.context.alias,
                "more than {} changes came within {} ms, and the oldest are forgotten before their time; raise \"{ENTRIES}\" or \
                 lower \"{TTL}\"",
                self.entries,
                self.ttl_ms
            );
        }
    }

    /// Where a record lies in the log.
    fn offset(&mut self, record: &Incoming<'_>) -> Result<i64, TaskError> {
        if let Some(offset) = record.record.offset() {
            return Ok(offset);
        }
        if self.context.services.dry_run {
            self.tried += 1;
            return Ok(self.tried);
        }
        let alias = self.context.alias.as_deref().unwrap_or_default();
        let key = format!("transforms.{alias}.type");
        let message = format!("\"{key}\" is {NAME}, which is for sinks: records of a source are not in the log yet; {INSTEAD}");
        Err(TaskError::config(key, message))
    }
}

#[async_trait]
impl Transform for Deduplicate {
    async fn configure(&mut self) -> Result<(), TaskError> {
        Ok(())
    }

    async fn apply(&mut self, records: &Batch) -> Result<Outcome, TaskError> {
        self.windows.begin(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64);
        let view = records.view();
        let schemas = self.context.schemas.clone();
        let (mut kept, mut unknown, mut window) = (Vec::with_capacity(view.len()), None, None);
        for (row, record) in view.iter().enumerate() {
            let record = Incoming { record, topic: view.topic_of(&record), schemas: &schemas };
            let of = (record.record.topic(), record.record.partition().unwrap_or(0));
            // Records of one partition come in runs.
            let at = match window {
                Some((known, at)) if known == of => at,
                _ => self.windows.of(record.topic, of.1).map_err(|e| self.unreadable(&e))?,
            };
            window = Some((of, at));
            let offset = self.offset(&record)?;
            match self.windows.meet(at, &self.identities.of(&record), offset) {
                Fate::Drop => continue,
                Fate::Pass => {}
                Fate::Unknown => unknown = Some((record.topic, unknown.map_or(1, |(_, n)| n + 1))),
            }
            kept.push(row as u32);
        }
        self.windows.end();
        self.count("duplicates_dropped", (view.len() - kept.len()) as u64);
        if let Some((topic, n)) = unknown {
            self.unknown(topic, n);
        }
        self.tell_of_pushed_out();
        if kept.len() == view.len() {
            return Ok(Outcome { records: records.clone(), origin: None, failures: Vec::new() });
        }
        Ok(Outcome { records: records.select(&kept), origin: Some(kept), failures: Vec::new() })
    }

    fn reassigned(&mut self) {
        self.windows.forget();
    }

    async fn close(&mut self) {}
}

impl Deduplicate {
    fn unreadable(&self, e: &window::NoChunk) -> TaskError {
        let connector = &self.context.connector;
        let message = format!(
            "{e}: was it written by a newer worker? Stop the connector and delete its state by DELETE /connectors/{connector}/state; \
             what the log has twice passes once more then"
        );
        TaskError::fatal("state.unknown", message)
    }
}

#[cfg(test)]
mod tests;
