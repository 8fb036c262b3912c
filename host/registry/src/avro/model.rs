//! The model: every node of a schema with everything that stood in its text, in one arena.
//!
//! A named type is one node however often it is referred to, so a recursive schema is a cycle of ids; who walks one keeps the
//! ids that it has seen. An array, a map, a union and a primitive are a node each time they occur: two `string`s of one schema
//! may have different properties.

use std::fmt;

use serde_json::{Map, Value};

/// Properties of a node or field, in the order of the text: everything that is not part of Avro's own words for that kind of
/// node. `logicalType`, `precision` and `scale` are among them.
pub type Props = Map<String, Value>;

/// A node of one schema. It means nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// Nodes are numbered from 0 without gaps: a table by node is a `Vec` of [`AvroSchema::node_count`](super::AvroSchema::node_count).
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub kind: Kind,
    pub props: Props,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Record(Record),
    Enum(Enum),
    Fixed(Fixed),
    /// Of its items.
    Array(NodeId),
    /// Of its values.
    Map(NodeId),
    /// No branch is a union, and no two are of one unnamed kind or of one name.
    Union(Vec<NodeId>),
}

impl Kind {
    /// Avro's word for it: `record`, `int`, `union`.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Record(_) => "record",
            Kind::Enum(_) => "enum",
            Kind::Fixed(_) => "fixed",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
        }
    }

    /// The primitive of that name.
    pub(super) fn primitive(word: &str) -> Option<Kind> {
        Some(match word {
            "null" => Kind::Null,
            "boolean" => Kind::Boolean,
            "int" => Kind::Int,
            "long" => Kind::Long,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "bytes" => Kind::Bytes,
            "string" => Kind::String,
            _ => return None,
        })
    }

    /// Of a record, an enum or a fixed.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Kind::Record(r) => Some(&r.name),
            Kind::Enum(e) => Some(&e.name),
            Kind::Fixed(f) => Some(&f.name),
            _ => None,
        }
    }

    /// Of a record, an enum or a fixed.
    pub fn doc(&self) -> Option<&str> {
        match self {
            Kind::Record(r) => r.doc.as_deref(),
            Kind::Enum(e) => e.doc.as_deref(),
            Kind::Fixed(f) => f.doc.as_deref(),
            _ => None,
        }
    }

    /// Of a record, an enum or a fixed: earlier names of it.
    pub fn aliases(&self) -> &[Name] {
        match self {
            Kind::Record(r) => &r.aliases,
            Kind::Enum(e) => &e.aliases,
            Kind::Fixed(f) => &f.aliases,
            _ => &[],
        }
    }

    /// By which a union tells its branches apart: the full name of a named type, else the word.
    pub fn branch_name(&self) -> &str {
        self.name().map_or(self.word(), Name::full)
    }
}

/// The name of a type: the part behind the last dot, and what is before it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    full: Box<str>,
    /// Where the simple name begins in it.
    simple: usize,
}

impl Name {
    /// `name` alone where it has a dot, else within `namespace`.
    pub(super) fn new(name: &str, namespace: Option<&str>) -> Self {
        let (namespace, simple) = match name.rsplit_once('.') {
            Some((space, simple)) => (Some(space), simple),
            None => (namespace, name),
        };
        match namespace.filter(|space| !space.is_empty()) {
            Some(space) => Name { full: format!("{space}.{simple}").into(), simple: space.len() + 1 },
            None => Name { full: simple.into(), simple: 0 },
        }
    }

    /// With its namespace: `com.example.Order`.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// Without its namespace: `Order`.
    pub fn simple(&self) -> &str {
        &self.full[self.simple..]
    }

    pub fn namespace(&self) -> Option<&str> {
        self.simple.checked_sub(1).map(|end| &self.full[..end])
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.full, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    /// No two of one name.
    pub fields: Vec<Field>,
    /// Written as `error` in place of `record`.
    pub is_error: bool,
}

impl Record {
    /// The field of that name, and its place. Looks at one after another: compile what is done for every record.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, f)| f.name == name)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub schema: NodeId,
    pub doc: Option<String>,
    /// As JSON, `null` being a default like another. Text that stands for the default of a float or double is read as the number
    /// it is; `NaN`, `Infinity` and `-Infinity`, for which JSON has no number, stay text.
    pub default: Option<Value>,
    pub order: Order,
    pub aliases: Vec<String>,
    pub props: Props,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Ascending,
    Descending,
    Ignore,
}

impl Order {
    pub fn word(self) -> &'static str {
        match self {
            Order::Ascending => "ascending",
            Order::Descending => "descending",
            Order::Ignore => "ignore",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Enum {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    /// No two the same.
    pub symbols: Vec<String>,
    /// One of the symbols: what a reader takes for one that it does not know.
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    pub name: Name,
    pub doc: Option<String>,
    pub aliases: Vec<Name>,
    pub size: u32,
}

/// A logical type that Avro knows and that fits its node; one that does not fit is a property and nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logical {
    Decimal { precision: u32, scale: u32 },
    BigDecimal,
    Uuid,
    Date,
    TimeMillis,
    TimeMicros,
    TimestampMillis,
    TimestampMicros,
    TimestampNanos,
    LocalTimestampMillis,
    LocalTimestampMicros,
    LocalTimestampNanos,
    Duration,
}

impl Node {
    /// `logicalType` where it is known and fits the kind: a `date` on an int, a `decimal` that its fixed can hold.
    pub fn logical(&self) -> Option<Logical> {
        use Logical::*;
        let (logical, fits) = match (self.props.get("logicalType")?.as_str()?, &self.kind) {
            ("decimal", kind) => return self.decimal(kind),
            ("big-decimal", k) => (BigDecimal, matches!(k, Kind::Bytes)),
            ("uuid", k) => (Uuid, matches!(k, Kind::String) || matches!(k, Kind::Fixed(f) if f.size == 16)),
            ("date", k) => (Date, matches!(k, Kind::Int)),
            ("time-millis", k) => (TimeMillis, matches!(k, Kind::Int)),
            ("time-micros", k) => (TimeMicros, matches!(k, Kind::Long)),
            ("timestamp-millis", k) => (TimestampMillis, matches!(k, Kind::Long)),
            ("timestamp-micros", k) => (TimestampMicros, matches!(k, Kind::Long)),
            ("timestamp-nanos", k) => (TimestampNanos, matches!(k, Kind::Long)),
            ("local-timestamp-millis", k) => (LocalTimestampMillis, matches!(k, Kind::Long)),
            ("local-timestamp-micros", k) => (LocalTimestampMicros, matches!(k, Kind::Long)),
            ("local-timestamp-nanos", k) => (LocalTimestampNanos, matches!(k, Kind::Long)),
            ("duration", k) => (Duration, matches!(k, Kind::Fixed(f) if f.size == 12)),
            _ => return None,
        };
        fits.then_some(logical)
    }

    fn decimal(&self, kind: &Kind) -> Option<Logical> {
        let int = |name: &str| self.props.get(name).map(|v| v.as_i64().and_then(|v| i32::try_from(v).ok()));
        let precision = int("precision")??;
        let scale = match int("scale") {
            Some(scale) => scale?,
            None => 0,
        };
        let most = match kind {
            Kind::Bytes => i64::from(i32::MAX),
            // The digits that so many bits hold whatever they are.
            Kind::Fixed(f) => (2f64.log10() * (8.0 * f64::from(f.size) - 1.0)).floor() as i64,
            _ => return None,
        };
        let fits = precision > 0 && i64::from(precision) <= most && (0..=precision).contains(&scale);
        fits.then_some(Logical::Decimal { precision: precision as u32, scale: scale as u32 })
    }
}
