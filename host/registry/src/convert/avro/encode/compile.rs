//! A schema beside Avro's, compiled into the plan of its rows.

use millrace_record::{Kind, Schema};

use super::super::names::{JSON, is_entry, is_union, scrub, scrub_full, union_field};
use super::super::options::Options;
use super::super::to_avro;
use super::constant::{constant, index};
use super::{Branch, Node, Null, Op, Place};
use crate::avro::{self, AvroSchema, NodeId};

pub(in super::super) fn compile(schema: &Schema, avro: &AvroSchema, options: &Options) -> Result<Node, String> {
    let compiler = Compiler { avro, options };
    let mut node = compiler.node(schema, avro.root())?;
    // The root's null is the log's null, whatever default there is.
    node.null = Null::Refused;
    Ok(node)
}

struct Compiler<'a> {
    avro: &'a AvroSchema,
    options: &'a Options,
}

impl Compiler<'_> {
    fn node(&self, schema: &Schema, id: NodeId) -> Result<Node, String> {
        let (mut null, mut branch, mut target) = (None, None, id);
        if let avro::Kind::Union(branches) = self.avro.kind(id) {
            let at = branches.iter().position(|b| *self.avro.kind(*b) == avro::Kind::Null);
            null = at.map(|at| index(at as u32));
            if is_union(schema) {
                return self.union(schema, branches, null);
            }
            let fitting = self.branch(schema, branches);
            let at = fitting.ok_or_else(|| format!("no branch of the union takes a {:?}", schema.kind))?;
            (branch, target) = (Some(at as u32), branches[at]);
        }
        let op = self.op(schema, target)?;
        let default = match self.options.keep_null && schema.optional {
            true => None,
            false => to_avro::default_of(schema, self.options),
        };
        let null = match default {
            Some(default) => {
                let mut out = Vec::new();
                constant(self.avro, id, &default, &mut out).map_err(|()| "a default does not fit its schema".to_owned())?;
                Null::from(Box::from(out))
            }
            None => null.filter(|_| schema.optional).map_or(Null::Refused, Null::from),
        };
        Ok(Node { null, branch: branch.map(Branch::new).unwrap_or_default(), op })
    }

    fn union(&self, schema: &Schema, branches: &[NodeId], null: Option<Box<[u8]>>) -> Result<Node, String> {
        let mut nodes = Vec::with_capacity(schema.fields.len());
        let mut first = 0;
        for field in &schema.fields {
            let named = branches.iter().enumerate().position(|(i, b)| {
                let kind = self.avro.kind(*b);
                *kind != avro::Kind::Null && union_field(kind, i, self.options) == *field.name
            });
            // Fields of another mode's names go by what they hold.
            let at = named.or_else(|| self.branch(&field.schema, &branches[first..]).map(|at| first + at));
            let at = at.ok_or_else(|| format!("no branch of the union takes the field \"{}\"", field.name))?;
            first = at + 1;
            let mut node = self.node(&field.schema, branches[at])?;
            node.branch = Branch::new(at as u32);
            nodes.push(node);
        }
        let null = null.map_or(Null::Refused, Null::from);
        Ok(Node { null, branch: Branch::default(), op: Op::Union(nodes.into()) })
    }

    /// The branch that a value takes: the one of its name, else the first of its kind.
    fn branch(&self, schema: &Schema, branches: &[NodeId]) -> Option<usize> {
        let name = schema.name.as_deref().map(|n| scrub_full(n, self.options));
        let of_name = |b: &NodeId| self.avro.kind(*b).name().is_some_and(|n| Some(n.full()) == name.as_deref());
        let exact = |b: &NodeId| fits(schema, self.avro, *b, false);
        let find = |test: &dyn Fn(&NodeId) -> bool| branches.iter().position(test);
        find(&|b| of_name(b) && exact(b)).or_else(|| find(&exact)).or_else(|| find(&|b| fits(schema, self.avro, *b, true)))
    }

    fn op(&self, schema: &Schema, id: NodeId) -> Result<Op, String> {
        let element = |of: NodeId| {
            let schema = schema.element.as_deref().ok_or("a list or map without a schema of its elements")?;
            Ok::<_, String>(Box::new(self.node(schema, of)?))
        };
        Ok(match (schema.kind, self.avro.kind(id)) {
            _ if !fits(schema, self.avro, id, true) => {
                return Err(format!("a {:?} cannot be written as Avro's {}", schema.kind, self.avro.kind(id).word()));
            }
            (Kind::Boolean, _) => Op::Boolean,
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, avro::Kind::Float) => Op::IntegerAs(false),
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, avro::Kind::Double) => Op::IntegerAs(true),
            (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, _) => Op::Integer,
            (Kind::Float32 | Kind::Float64, avro::Kind::Float) => Op::Float,
            (Kind::Float32 | Kind::Float64, _) => Op::Double,
            (Kind::Text, avro::Kind::Enum(of)) => Op::Enum(of.symbols.iter().map(|s| s.as_str().into()).collect()),
            (Kind::Bytes, avro::Kind::Fixed(of)) => Op::Fixed { size: of.size as usize, decimal: schema.scale().is_some() },
            (Kind::Text | Kind::Any | Kind::Bytes, _) => Op::Text,
            (Kind::List, avro::Kind::Array(of)) => Op::Array(element(*of)?),
            (Kind::Map, avro::Kind::Map(of)) => Op::Map(element(*of)?),
            (Kind::Map, avro::Kind::Array(of)) => {
                let avro::Kind::Record(entry) = self.avro.kind(*of) else { return Err("entries that are no records".into()) };
                let [key, value] = &entry.fields[..] else { return Err("entries that are not of key and value".into()) };
                let of_key = schema.key.as_deref().ok_or("a map without a schema of its keys")?;
                Op::Entries(Box::new([self.node(of_key, key.schema)?, *element(value.schema)?]))
            }
            (_, avro::Kind::Record(record)) => self.record(schema, record)?,
            (kind, of) => return Err(format!("a {kind:?} cannot be written as Avro's {}", of.word())),
        })
    }

    fn record(&self, schema: &Schema, record: &avro::Record) -> Result<Op, String> {
        let mut places = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let at = schema.fields.iter().position(|f| scrub(&f.name, self.options) == field.name);
            let at = at.or_else(|| schema.fields.iter().position(|f| field.aliases.iter().any(|a| **a == *f.name)));
            places.push(match at {
                Some(at) => {
                    let of = &schema.fields[at];
                    let node = self.node(&of.schema, field.schema).map_err(|e| format!("field \"{}\": {e}", field.name))?;
                    Place::Slot { at: at as u32, name: of.name.as_ref().into(), node }
                }
                None => {
                    let default = field.default.as_ref().ok_or_else(|| {
                        format!(
                            "the registered schema has the field \"{}\" without a default, which records do not have",
                            field.name
                        )
                    })?;
                    let mut out = Vec::new();
                    let wrong = |()| format!("the default of the field \"{}\" does not fit", field.name);
                    constant(self.avro, field.schema, default, &mut out).map_err(wrong)?;
                    Place::Constant(out.into())
                }
            });
        }
        Ok(Op::Record(places.into()))
    }
}

/// Whether values of the schema can be written as the node: `wider` where that takes a promotion, as from int to long.
fn fits(schema: &Schema, avro: &AvroSchema, id: NodeId, wider: bool) -> bool {
    use avro::Kind as A;
    match (schema.kind, avro.kind(id)) {
        (Kind::Boolean, A::Boolean)
        | (Kind::Int8 | Kind::Int16 | Kind::Int32, A::Int)
        | (Kind::Int64, A::Long)
        | (Kind::Float32, A::Float)
        | (Kind::Float64, A::Double)
        | (Kind::Text, A::String | A::Enum(_))
        | (Kind::Any, A::String)
        | (Kind::Bytes, A::Bytes | A::Fixed(_))
        | (Kind::List, A::Array(_))
        | (Kind::Map, A::Map(_))
        | (Kind::Struct, A::Record(_) | A::Union(_)) => true,
        (Kind::Map, A::Array(of)) => is_entry(avro.node(*of)),
        (Kind::Int8 | Kind::Int16 | Kind::Int32, A::Long | A::Float | A::Double)
        | (Kind::Int64, A::Float | A::Double)
        | (Kind::Float32, A::Double)
        | (Kind::Text, A::Bytes) => wider,
        // A text is JSON where the schema says so.
        (Kind::Struct, A::String) => schema.name.as_deref() == Some(JSON),
        _ => false,
    }
}
