//! Whether data of one schema can be read by another: the rules of Java Avro's `SchemaCompatibility`, and its reasons in the
//! words of Confluent's registry.
//!
//! Names are compared without their namespaces, a reader's aliases with them; int, long, float and double are promoted upwards,
//! string and bytes to one another; a writer's union asks that the reader read every branch, a reader's that some branch read
//! the writer; a reader's enum with a default reads any symbol; a field that the writer lacks needs a default.
//!
//! A pair of nodes is compared once. Where it is met again its reasons count with the place at which it was met first, and each
//! reason is reported once, so that the answer stays as small as the schemas are.

use std::collections::HashMap;

use super::AvroSchema;
use super::model::{Enum, Field, Fixed, Kind, Name, NodeId, Record};
use crate::Incompatibility;
use crate::schema::{READER, WRITER};

/// Pairs inside pairs. Schemas nested deeper are not compared but refused.
const DEPTH_MAX: usize = 500;

/// Why data written with `writer` cannot be read with `reader`; empty where it can.
pub fn cannot_read(reader: &AvroSchema, writer: &AvroSchema) -> Vec<Incompatibility> {
    let mut check = Check { reader, writer, met: HashMap::new(), reasons: Vec::new(), depth: 0, broken: None };
    let found = check.pair(None, reader.root(), writer.root(), &mut Vec::new());
    if let Some(broken) = check.broken {
        return vec![broken];
    }
    let mut reasons: Vec<_> = check.reasons.into_iter().map(Some).collect();
    found.into_iter().filter_map(|i| reasons[i].take()).collect()
}

/// Places in `Check::reasons`, each once. Empty: compatible.
type Reasons = Vec<usize>;

struct Check<'a> {
    reader: &'a AvroSchema,
    writer: &'a AvroSchema,
    /// None: being compared further out, and compatible unless something else is found.
    met: HashMap<(NodeId, NodeId), Option<Reasons>>,
    reasons: Vec<Incompatibility>,
    depth: usize,
    /// What cannot be compared at all.
    broken: Option<Incompatibility>,
}

/// Steps from the root: `fields`, `1`, `type`.
type Place = Vec<String>;

impl<'a> Check<'a> {
    /// `step` leads to the pair from what it is inside of.
    fn pair(&mut self, step: Option<&str>, reader: NodeId, writer: NodeId, place: &mut Place) -> Reasons {
        match self.met.get(&(reader, writer)) {
            Some(Some(reasons)) => return reasons.clone(),
            Some(None) => return Reasons::new(),
            None => {}
        }
        if self.depth == DEPTH_MAX {
            self.broken.get_or_insert_with(|| Incompatibility {
                kind: "TYPE_MISMATCH",
                path: pointer(place),
                description: format!("the schemas are nested deeper than {DEPTH_MAX} types and are not compared"),
                additional: String::new(),
            });
            return Reasons::new();
        }
        self.met.insert((reader, writer), None);
        self.depth += 1;
        place.extend(step.map(str::to_owned));
        let reasons = self.compare(reader, writer, place);
        place.truncate(place.len() - usize::from(step.is_some()));
        self.depth -= 1;
        self.met.insert((reader, writer), Some(reasons.clone()));
        reasons
    }

    fn compare(&mut self, reader: NodeId, writer: NodeId, place: &mut Place) -> Reasons {
        let (r, w) = (self.reader, self.writer);
        match (r.kind(reader), w.kind(writer)) {
            (Kind::Array(r), Kind::Array(w)) => self.pair(Some("items"), *r, *w, place),
            (Kind::Map(r), Kind::Map(w)) => self.pair(Some("values"), *r, *w, place),
            (Kind::Fixed(r), Kind::Fixed(w)) => self.fixed(r, w, place),
            (Kind::Enum(r), Kind::Enum(w)) => self.enums(r, w, place),
            (Kind::Record(r), Kind::Record(w)) => self.records(r, w, writer, place),
            (Kind::Union(_), Kind::Union(branches)) => {
                let mut all = Reasons::new();
                for (i, branch) in branches.iter().enumerate() {
                    if !self.pair(None, reader, *branch, &mut Place::new()).is_empty() {
                        place.push(i.to_string());
                        let reason = self.missing_branch(w.kind(*branch), place);
                        place.pop();
                        merge(&mut all, reason);
                    }
                }
                all
            }
            (_, Kind::Union(branches)) => {
                let mut all = Reasons::new();
                for (i, branch) in branches.iter().enumerate() {
                    let found = self.pair(Some(&i.to_string()), reader, *branch, place);
                    merge(&mut all, found);
                }
                all
            }
            (Kind::Union(branches), kind) => {
                for branch in branches {
                    if self.pair(None, *branch, writer, &mut Place::new()).is_empty() {
                        return Reasons::new();
                    }
                }
                self.missing_branch(kind, place)
            }
            (r, w) if std::mem::discriminant(r) == std::mem::discriminant(w) => Reasons::new(),
            (Kind::Long, Kind::Int)
            | (Kind::Float, Kind::Int | Kind::Long)
            | (Kind::Double, Kind::Int | Kind::Long | Kind::Float)
            | (Kind::Bytes, Kind::String)
            | (Kind::String, Kind::Bytes) => Reasons::new(),
            (r, w) => {
                let (r, w) = (r.word().to_uppercase(), w.word().to_uppercase());
                let path = pointer(place);
                self.reason(Incompatibility {
                    kind: "TYPE_MISMATCH",
                    description: format!(
                        "The type (path '{path}') of a field in the {READER} schema does not match with the {WRITER} schema"
                    ),
                    path,
                    additional: format!("reader type: {r} not compatible with writer type: {w}"),
                })
            }
        }
    }

    fn reason(&mut self, reason: Incompatibility) -> Reasons {
        self.reasons.push(reason);
        vec![self.reasons.len() - 1]
    }

    fn missing_branch(&mut self, writer: &Kind, place: &Place) -> Reasons {
        let path = pointer(place);
        self.reason(Incompatibility {
            kind: "MISSING_UNION_BRANCH",
            description: format!(
                "The {READER} schema is missing a type inside a union field at path '{path}' in the {WRITER} schema"
            ),
            path,
            additional: format!("reader union lacking writer type: {}", writer.word().to_uppercase()),
        })
    }

    /// The last parts of names count; a reader's alias is a full name.
    fn names(&mut self, reader: &Name, aliases: &[Name], writer: &Name, place: &Place) -> Reasons {
        // An alias outside of all namespaces, of a type in one, is never found there: it is compared with a dot before it.
        let alias = |a: &Name| a.full() == writer.full() && (a.namespace().is_some() || reader.namespace().is_none());
        if reader.simple() == writer.simple() || aliases.iter().any(alias) {
            return Reasons::new();
        }
        let path = below(place, "name");
        self.reason(Incompatibility {
            kind: "NAME_MISMATCH",
            description: format!("The name of the schema has changed (path '{path}')"),
            path,
            additional: format!("expected: {writer}"),
        })
    }

    fn fixed(&mut self, reader: &Fixed, writer: &Fixed, place: &Place) -> Reasons {
        let mut all = self.names(&reader.name, &reader.aliases, &writer.name, place);
        if reader.size != writer.size {
            let path = below(place, "size");
            let reason = self.reason(Incompatibility {
                kind: "FIXED_SIZE_MISMATCH",
                description: format!(
                    "The size of FIXED type field at path '{path}' in the {READER} schema does not match with the {WRITER} schema"
                ),
                path,
                additional: format!("expected: {}, found: {}", writer.size, reader.size),
            });
            merge(&mut all, reason);
        }
        all
    }

    fn enums(&mut self, reader: &Enum, writer: &Enum, place: &Place) -> Reasons {
        let mut all = self.names(&reader.name, &reader.aliases, &writer.name, place);
        if reader.default.is_some() {
            return all;
        }
        let mut missing: Vec<&str> = writer.symbols.iter().filter(|s| !reader.symbols.contains(s)).map(String::as_str).collect();
        if !missing.is_empty() {
            missing.sort_by(|a, b| super::json::java_order(a, b));
            let missing = format!("[{}]", missing.join(", "));
            let path = below(place, "symbols");
            let reason = self.reason(Incompatibility {
                kind: "MISSING_ENUM_SYMBOLS",
                description: format!(
                    "The {READER} schema is missing enum symbols '{missing}' at path '{path}' in the {WRITER} schema"
                ),
                path,
                additional: missing,
            });
            merge(&mut all, reason);
        }
        all
    }

    fn records(&mut self, reader: &Record, writer: &'a Record, written: NodeId, place: &mut Place) -> Reasons {
        let mut all = self.names(&reader.name, &reader.aliases, &writer.name, place);
        place.push("fields".into());
        for (i, field) in reader.fields.iter().enumerate() {
            place.push(i.to_string());
            let found = match self.written(field, writer, place) {
                Some(from) => self.pair(Some("type"), field.schema, from.schema, place),
                None if field.default.is_some() => Reasons::new(),
                None if matches!(self.reader.kind(field.schema), Kind::Enum(e) if e.default.is_some()) => {
                    self.pair(Some("type"), field.schema, written, place)
                }
                None => {
                    let path = pointer(place);
                    self.reason(Incompatibility {
                        kind: "READER_FIELD_MISSING_DEFAULT_VALUE",
                        description: format!(
                            "The field '{}' at path '{path}' in the {READER} schema has no default value and is missing in the {WRITER} schema",
                            field.name
                        ),
                        path,
                        additional: field.name.clone(),
                    })
                }
            };
            place.pop();
            merge(&mut all, found);
        }
        place.pop();
        all
    }

    /// The writer's field for a reader's, by its name or an alias of it.
    fn written(&mut self, field: &Field, writer: &'a Record, place: &Place) -> Option<&'a Field> {
        let direct = writer.field(&field.name).map(|(_, f)| f);
        let mut found = direct.into_iter().chain(field.aliases.iter().filter_map(|alias| writer.field(alias).map(|(_, f)| f)));
        let first = found.next();
        if found.next().is_some() && self.broken.is_none() {
            self.broken = Some(Incompatibility {
                kind: "NAME_MISMATCH",
                path: pointer(place),
                description: format!(
                    "Reader record field {} matches multiple fields in writer record schema {}, by its name and its aliases",
                    field.name, writer.name
                ),
                additional: field.name.clone(),
            });
        }
        first
    }
}

/// Adds what is not there yet.
fn merge(all: &mut Reasons, more: Reasons) {
    for reason in more {
        if !all.contains(&reason) {
            all.push(reason);
        }
    }
}

/// As a JSON pointer.
fn pointer(place: &Place) -> String {
    let mut path = String::from("/");
    for (i, step) in place.iter().enumerate() {
        if i > 0 {
            path.push('/');
        }
        path.push_str(&step.replace('~', "~0").replace('/', "~1"));
    }
    path
}

fn below(place: &Place, step: &str) -> String {
    let path = pointer(place);
    if path.len() > 1 { format!("{path}/{step}") } else { format!("/{step}") }
}
