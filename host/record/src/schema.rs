//! Connect's schemas, and the table that gives each distinct one an id.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

/// Connect's types, plus `Any`: a schemaless JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Text,
    Bytes,
    List,
    Map,
    Struct,
    Any,
}

impl Kind {
    /// Connect's name of the type, as its messages have it.
    pub fn connect_name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::Int8 => "INT8",
            Kind::Int16 => "INT16",
            Kind::Int32 => "INT32",
            Kind::Int64 => "INT64",
            Kind::Float32 => "FLOAT32",
            Kind::Float64 => "FLOAT64",
            Kind::Text => "STRING",
            Kind::Bytes => "BYTES",
            Kind::List => "ARRAY",
            Kind::Map => "MAP",
            Kind::Struct => "STRUCT",
            Kind::Any => "JSON",
        }
    }

    /// Whether an integer is within the range of the type; those that are no integers have no range.
    #[inline]
    pub fn has_room_for(self, v: i64) -> bool {
        match self {
            Kind::Int8 => i8::try_from(v).is_ok(),
            Kind::Int16 => i16::try_from(v).is_ok(),
            Kind::Int32 => i32::try_from(v).is_ok(),
            _ => true,
        }
    }
}

/// A node of a schema, as Connect's `Schema`: logical types are names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schema {
    pub kind: Kind,
    pub optional: bool,
    /// `org.apache.kafka.connect.data.Timestamp`, `shop.public.orders.Value`, ...
    pub name: Option<Arc<str>>,
    pub version: Option<i32>,
    pub doc: Option<Arc<str>>,
    /// Default value as a JSON text.
    pub default: Option<Arc<str>>,
    /// Of the logical type: `scale`, `connect.decimal.precision`, ... in order.
    pub parameters: Vec<(Arc<str>, Arc<str>)>,
    /// Of a struct.
    pub fields: Vec<Field>,
    /// A list's elements, a map's values.
    pub element: Option<Arc<Schema>>,
    /// A map's keys.
    pub key: Option<Arc<Schema>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: Arc<str>,
    pub schema: Arc<Schema>,
}

impl Schema {
    /// A required node without a name.
    pub fn new(kind: Kind) -> Self {
        Schema {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            default: None,
            parameters: Vec::new(),
            fields: Vec::new(),
            element: None,
            key: None,
        }
    }
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }
    /// A struct of `(name, schema)`.
    pub fn record(fields: impl IntoIterator<Item = (impl Into<Arc<str>>, Schema)>) -> Self {
        let mut s = Schema::new(Kind::Struct);
        s.fields = fields.into_iter().map(|(name, schema)| Field { name: name.into(), schema: Arc::new(schema) }).collect();
        s
    }
    pub fn list(element: Schema) -> Self {
        let mut s = Schema::new(Kind::List);
        s.element = Some(Arc::new(element));
        s
    }
    pub fn map(key: Schema, value: Schema) -> Self {
        let mut s = Schema::new(Kind::Map);
        s.key = Some(Arc::new(key));
        s.element = Some(Arc::new(value));
        s
    }
    /// The scale of Connect's `Decimal`; none for any other type.
    pub fn scale(&self) -> Option<i32> {
        if self.kind != Kind::Bytes || self.name.as_deref() != Some("org.apache.kafka.connect.data.Decimal") {
            return None;
        }
        self.parameter("scale").and_then(|scale| scale.parse().ok())
    }
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }
    /// The position of a struct's field.
    pub fn index(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|f| &*f.name == field)
    }
    /// About how many bytes it takes to keep.
    pub fn weight(&self) -> usize {
        let text = |t: &Option<Arc<str>>| t.as_deref().map_or(0, str::len);
        let parameters: usize = self.parameters.iter().map(|(k, v)| k.len() + v.len() + size_of::<(Arc<str>, Arc<str>)>()).sum();
        let fields: usize = self.fields.iter().map(|f| f.name.len() + size_of::<Field>() + f.schema.weight()).sum();
        let below: usize = self.element.iter().chain(&self.key).map(|s| s.weight()).sum();
        size_of::<Schema>() + text(&self.name) + text(&self.doc) + text(&self.default) + parameters + fields + below
    }
    /// How many slots a root row of this schema has: a struct's fields, else one.
    pub fn slots(&self) -> usize {
        if self.kind == Kind::Struct { self.fields.len() } else { 1 }
    }
}

/// Gives each distinct schema an id, by content. One for the whole worker: ids mean the same in every task, a batch may
/// go from one to another, and encoders and decoders are cached by id. Schemas are never forgotten; their number is that
/// of the distinct schemas a process has met.
#[derive(Debug, Default)]
pub struct Schemas {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: Vec<Arc<Schema>>,
    by_content: HashMap<Arc<Schema>, u32>,
}

impl Schemas {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn intern(&self, schema: Schema) -> u32 {
        if let Some(id) = self.table.read().by_content.get(&schema) {
            return *id;
        }
        let mut table = self.table.write();
        if let Some(id) = table.by_content.get(&schema) {
            return *id;
        }
        let (id, schema) = (table.by_id.len() as u32, Arc::new(schema));
        table.by_id.push(schema.clone());
        table.by_content.insert(schema, id);
        id
    }

    /// The same for one who may not make schemas without end: what is not there yet is taken off the quota.
    pub fn intern_within(&self, schema: Schema, quota: &Quota) -> Result<u32, TooManySchemas> {
        if let Some(id) = self.table.read().by_content.get(&schema) {
            return Ok(*id);
        }
        quota.take(schema.weight())?;
        Ok(self.intern(schema))
    }

    /// The schema behind an id that [`Schemas::intern`] gave; none for any other number.
    pub fn get(&self, id: u32) -> Option<Arc<Schema>> {
        self.table.read().by_id.get(id as usize).cloned()
    }
}

/// What one plugin of a task may still add to the table, which forgets nothing.
#[derive(Debug)]
pub struct Quota(AtomicUsize);

/// The bytes of schemas that one may make.
const QUOTA_BYTES: usize = 64 << 20;

/// A plugin makes schemas without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it has made distinct schemas of {} MiB, the most that a task may: does it put what belongs to a record into a name?",
    QUOTA_BYTES >> 20
)]
pub struct TooManySchemas;

impl Default for Quota {
    fn default() -> Self {
        Quota(AtomicUsize::new(QUOTA_BYTES))
    }
}

impl Quota {
    fn take(&self, bytes: usize) -> Result<(), TooManySchemas> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| TooManySchemas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_without_end_are_refused_and_known_ones_are_not() {
        let (schemas, quota) = (Schemas::new(), Quota::default());
        let schema = |n: usize| Schema::record([(format!("{n}{}", "x".repeat(1 << 20)), Schema::new(Kind::Text))]);
        let made = (0..100).take_while(|n| schemas.intern_within(schema(*n), &quota).is_ok()).count();
        assert!((50..64).contains(&made), "{made}");
        assert_eq!(schemas.intern_within(schema(made), &quota), Err(TooManySchemas));
        assert_eq!(schemas.intern_within(schema(0), &quota), Ok(0));
        assert!(schemas.intern_within(schema(made), &Quota::default()).is_ok(), "others have a quota of their own");
    }
}
