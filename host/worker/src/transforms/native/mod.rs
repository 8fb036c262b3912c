//! Kafka Connect's own transforms, and [`deduplicate`], which run in the worker: listed, configured and validated like every
//! plugin.
//!
//! They work on packed rows. What a transform does to a schema is worked out once for each schema; a record without a
//! schema is a JSON document. Texts of errors are Connect's. `vectors` holds what the real Kafka Connect made of the same
//! records with the same settings.

use std::sync::Arc;

use async_trait::async_trait;
use millrace_record::config::{ConfigDef, ConfigKey, ConfigType, Default, Importance};
use millrace_record::row::{BatchWriter, Record, RecordMeta, Row, RowBuf};
use millrace_record::{
    Batch, Kind, Outcome, Plugin, PluginInfo, PluginKind, RecordFailure, Schemas, TaskContext, TaskError, Transform,
};

use millrace_sandbox::Metrics;

use crate::plugins::VERSION;

mod cast;
mod date_format;
mod deduplicate;
mod extract_field;
mod flatten;
mod header_from;
mod headers;
mod hoist_field;
mod insert_field;
mod mask_field;
mod object;
mod path;
mod print;
mod regex_router;
mod replace_field;
mod rows;
mod scalar;
mod set_schema_metadata;
mod timestamp_converter;
mod timestamp_router;
mod value_to_key;

/// What a transform works on: `$Key` or `$Value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

/// A record on its way through.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    record: Record<'a>,
    topic: &'a str,
    schemas: &'a Schemas,
}

/// A key or value.
pub(super) enum Operand<'a> {
    /// Null, of the schema with this id.
    Null(Option<u32>),
    /// Without a schema: a JSON text.
    Free(&'a str),
    /// The id of its schema, and its root row.
    Typed(u32, Row<'a>),
}

impl<'a> Incoming<'a> {
    fn operand(&self, part: Part) -> Operand<'a> {
        let (row, schema) = match part {
            Part::Key => (self.record.key(), self.record.key_schema()),
            Part::Value => (self.record.value(), self.record.value_schema()),
        };
        match (row, schema) {
            (None, schema) => Operand::Null(schema),
            (Some(row), None) => Operand::Free(row.text(0)),
            (Some(row), Some(schema)) if is_null(&row, schema, self.schemas) => Operand::Null(Some(schema)),
            (Some(row), Some(schema)) => Operand::Typed(schema, row),
        }
    }

    /// Everything but the parts.
    fn meta(&self, out: &mut BatchWriter) -> RecordMeta {
        RecordMeta {
            topic: out.topic(self.topic),
            partition: self.record.partition(),
            offset: self.record.offset(),
            timestamp: self.record.timestamp(),
            key_schema: self.record.key_schema(),
            value_schema: self.record.value_schema(),
        }
    }

    /// The record as it is.
    fn pass(&self, out: &mut BatchWriter) {
        let topic = out.topic(self.topic);
        out.copy(&self.record, topic);
    }

    /// The record with one part made anew; the function answers as [`BatchWriter::value_with`] wants it.
    fn with_part(
        &self,
        part: Part,
        out: &mut BatchWriter,
        write: impl FnOnce(&mut RowBuf) -> Result<Option<Option<u32>>, String>,
    ) -> Result<(), String> {
        self.with_part_open(part, out, write)?;
        out.end();
        Ok(())
    }

    /// The same, with room for headers behind those that the record has; the caller ends it.
    fn with_part_open(
        &self,
        part: Part,
        out: &mut BatchWriter,
        write: impl FnOnce(&mut RowBuf) -> Result<Option<Option<u32>>, String>,
    ) -> Result<(), String> {
        let mut meta = self.meta(out);
        match part {
            Part::Key => meta.key_schema = None,
            Part::Value => meta.value_schema = None,
        }
        out.begin(meta);
        match part {
            Part::Key => {
                self.record.value().into_iter().for_each(|v| out.value(v));
                out.key_with(write)?;
            }
            Part::Value => {
                out.value_with(write)?;
                self.record.key().into_iter().for_each(|k| out.key(k));
            }
        }
        out.headers_from(&self.record);
        Ok(())
    }
}

/// A transform of one record at a time.
pub(super) trait Each: Send {
    /// Appends what becomes of the record: one, or none. After an error nothing of it counts.
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String>;
}

/// Whether a root is null: of a schema that is no struct's it may be a row of one slot that is.
pub(super) fn is_null(row: &Row<'_>, schema: u32, schemas: &Schemas) -> bool {
    row.len() == 1 && row.is_null(0) && schemas.get(schema).is_some_and(|s| s.kind != Kind::Struct)
}

/// The settings of one transform, checked against their definition.
pub(super) struct Settings<'a> {
    def: &'a ConfigDef,
    config: &'a millrace_record::RawConfig,
}

/// A wrong setting: its key, and what is wrong.
pub(super) type Wrong = (&'static str, String);

impl<'a> Settings<'a> {
    /// Without white space around it, as Connect takes texts.
    fn text(&self, key: &str) -> Option<&'a str> {
        self.def.value(self.config, key)
    }
    fn required(&self, key: &str) -> &'a str {
        self.text(key).unwrap_or_default()
    }
    /// The elements of a list, of which some may be empty.
    fn names(&self, key: &str) -> Vec<String> {
        let text = self.required(key);
        if text.is_empty() { Vec::new() } else { text.split(',').map(|name| name.trim().to_owned()).collect() }
    }
    fn yes(&self, key: &str) -> bool {
        self.text(key).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"))
    }
}

/// A transform, or the setting that is wrong.
type Made = Result<Box<dyn Each>, Wrong>;

/// Makes a transform of its settings.
#[derive(Clone, Copy)]
pub(super) enum Make {
    /// One that works on a part: there is one of each.
    Of(Part, fn(Part, &Settings<'_>, &Arc<Schemas>) -> Made),
    /// One that is not about a part.
    Whole(fn(&Settings<'_>, &Arc<Schemas>) -> Made),
    /// One of our own, over batches, that keeps a state and counts; for sinks.
    Stateful(fn(&Settings<'_>, &TaskContext, &Arc<Metrics>) -> Result<Box<dyn Transform>, Wrong>),
}

/// How one transform is known and made.
pub(super) struct Definition {
    name: &'static str,
    documentation: &'static str,
    keys: Vec<ConfigKey>,
    make: Make,
}

fn key(name: &str, kind: ConfigType, default: Default, importance: Importance, documentation: &str) -> ConfigKey {
    ConfigKey::new(name, kind, default, importance, documentation)
}

fn replace_null_key() -> ConfigKey {
    key(
        "replace.null.with.default",
        ConfigType::Boolean,
        Default::Value("true".into()),
        Importance::Medium,
        "Whether a field that is null and has a default takes the default.",
    )
}

/// All of them, as plugins; `metrics` has what they count.
pub(crate) fn plugins(metrics: &Arc<Metrics>) -> Vec<Arc<dyn Plugin>> {
    let parts = [Part::Key, Part::Value];
    let of_parts = [
        cast::definition,
        extract_field::definition,
        flatten::definition,
        header_from::definition,
        hoist_field::definition,
        insert_field::definition,
        mask_field::definition,
        replace_field::definition,
        set_schema_metadata::definition,
        timestamp_converter::definition,
    ];
    let both = of_parts.iter().flat_map(|d| parts.map(d));
    let whole = [
        headers::drop_headers(),
        headers::insert_header(),
        filter(),
        regex_router::definition(),
        timestamp_router::definition(),
        value_to_key::definition(),
        deduplicate::definition(),
    ];
    both.chain(whole).map(|d| Arc::new(Native::new(d, metrics)) as Arc<dyn Plugin>).collect()
}

fn filter() -> Definition {
    struct Filter;
    impl Each for Filter {
        fn apply(&mut self, _: Incoming<'_>, _: &mut BatchWriter) -> Result<(), String> {
            Ok(())
        }
    }
    Definition {
        name: "Filter",
        documentation: "Leaves records out: those that meet its predicate.",
        keys: Vec::new(),
        make: Make::Whole(|_, _| Ok(Box::new(Filter))),
    }
}

struct Native {
    info: PluginInfo,
    make: Make,
    metrics: Arc<Metrics>,
}

/// The capability of a transform that works in the chains of sinks alone, and what helps a source.
pub(crate) const SINKS_ONLY: &str = "sinks-only";
pub(crate) const INSTEAD: &str =
    "give it to the sinks that read them, or set \"exactly.once.source.support=enabled\" in the worker file";

impl Native {
    fn new(d: Definition, metrics: &Arc<Metrics>) -> Self {
        let (name, package, capabilities) = match d.make {
            Make::Whole(_) => (d.name.to_owned(), "org.apache.kafka.connect", Vec::new()),
            Make::Of(part, _) => (format!("{}${part:?}", d.name), "org.apache.kafka.connect", Vec::new()),
            Make::Stateful(_) => (d.name.to_owned(), "io.millrace", vec![SINKS_ONLY.to_owned()]),
        };
        let info = PluginInfo {
            kind: PluginKind::Transform,
            class_names: vec![format!("{package}.transforms.{name}")],
            name,
            version: VERSION.into(),
            documentation: d.documentation.into(),
            config: ConfigDef { keys: d.keys },
            bindings: Vec::new(),
            capabilities,
        };
        Native { info, make: d.make, metrics: metrics.clone() }
    }
}

#[async_trait]
impl Plugin for Native {
    fn info(&self) -> &PluginInfo {
        &self.info
    }
    fn check_grants(&self, _: &[String]) -> Result<(), TaskError> {
        Ok(())
    }
    async fn transform(&self, ctx: TaskContext) -> Result<Box<dyn Transform>, TaskError> {
        let field = |key: &str| ctx.alias.as_ref().map_or(key.to_owned(), |alias| format!("transforms.{alias}.{key}"));
        if let Some(issue) = self.info.config.validate(&ctx.config).into_iter().next() {
            return Err(TaskError::config(field(&issue.name), issue.message));
        }
        let settings = Settings { def: &self.info.config, config: &ctx.config };
        let made = match self.make {
            Make::Of(part, make) => make(part, &settings, &ctx.schemas),
            Make::Whole(make) => make(&settings, &ctx.schemas),
            Make::Stateful(make) => {
                return make(&settings, &ctx, &self.metrics).map_err(|(key, why)| TaskError::config(field(key), why));
            }
        };
        let each = made.map_err(|(key, why)| TaskError::config(field(key), why))?;
        Ok(Box::new(Running { each, schemas: ctx.schemas }))
    }
}

struct Running {
    each: Box<dyn Each>,
    schemas: Arc<Schemas>,
}

/// A record that a transform cannot handle.
const CODE: &str = "transform.data";

#[async_trait]
impl Transform for Running {
    async fn configure(&mut self) -> Result<(), TaskError> {
        Ok(())
    }

    async fn apply(&mut self, records: &Batch) -> Result<Outcome, TaskError> {
        let view = records.view();
        let mut out = BatchWriter::with_capacity(records.bytes().len());
        let (mut origin, mut failures) = (Vec::with_capacity(view.len()), Vec::new());
        for (i, record) in view.iter().enumerate() {
            let before = out.len();
            match self.each.apply(Incoming { record, topic: view.topic_of(&record), schemas: &self.schemas }, &mut out) {
                Ok(()) if out.len() > before => origin.push(i as u32),
                Ok(()) => {}
                Err(message) => {
                    if out.len() > before {
                        out.undo();
                    }
                    failures.push(RecordFailure { row: i as u32, retriable: false, code: CODE.into(), message });
                }
            }
        }
        let whole = origin.len() == view.len();
        Ok(Outcome { records: Batch::trusted(out), origin: (!whole).then_some(origin), failures })
    }

    async fn close(&mut self) {}
}

#[cfg(test)]
mod tests;
