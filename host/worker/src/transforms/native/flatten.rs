//! `Flatten`: fields of nested structs and maps become fields of the outermost one, with names that say where they were.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::{BatchWriter, Row, RowBuf, RowMark};
use millrace_record::{Field, Kind, Schema, Schemas};
use serde_json::value::RawValue;

use super::object::Object;
use super::rows::{BySchema, Take, like, require_struct};
use super::{Definition, Each, Incoming, Make, Operand, Part, key};

const PURPOSE: &str = "flattening";

struct Flatten {
    part: Part,
    delimiter: String,
    plans: BySchema<Plan>,
}

struct Plan {
    schema: u32,
    slots: usize,
    root: Level,
}

/// One struct: its fields in order.
type Level = Vec<Step>;

enum Step {
    /// A field, into this slot.
    Field(Take, usize),
    /// The struct in this slot.
    Struct(usize, Level),
}

pub(super) fn definition(part: Part) -> Definition {
    Definition {
        name: "Flatten",
        documentation: "Makes one level of nested fields; a field's new name is its path. Lists stay as they are.",
        keys: vec![key(
            "delimiter",
            ConfigType::String,
            Default::Value(".".into()),
            Importance::Medium,
            "What stands between the names of a path.",
        )],
        make: Make::Of(part, |part, settings, schemas| {
            let delimiter = settings.required("delimiter").to_owned();
            Ok(Box::new(Flatten { part, delimiter, plans: BySchema::new(schemas) }))
        }),
    }
}

fn named(prefix: &str, delimiter: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{delimiter}{name}") }
}

/// Builds the flat schema and the way to it.
struct Builder<'a> {
    delimiter: &'a str,
    made: Schema,
}

impl Builder<'_> {
    /// `default`: what the struct is by its parent's default, as a JSON text.
    fn level(&mut self, schema: &Schema, prefix: &str, optional: bool, default: Option<&str>) -> Result<Level, String> {
        let defaults: HashMap<String, &RawValue> = default.and_then(|d| serde_json::from_str(d).ok()).unwrap_or_default();
        let mut level = Level::new();
        for (slot, field) in schema.fields.iter().enumerate() {
            let of = &*field.schema;
            let name = named(prefix, self.delimiter, &field.name);
            let optional = optional || of.optional;
            let given = defaults.get(&*field.name).map(|d| d.get()).filter(|d| *d != "null");
            let default = of.default.as_deref().or(given);
            match of.kind {
                Kind::Struct => level.push(Step::Struct(slot, self.level(of, &name, optional, default)?)),
                Kind::Map => {
                    return Err(format!(
                        "Flatten transformation does not support MAP for record with schemas (for field {name})."
                    ));
                }
                _ => {
                    if self.made.index(&name).is_some() {
                        return Err(format!("Cannot create field because of field name duplication {name}"));
                    }
                    level.push(Step::Field(Take::new(slot, of, true), self.made.fields.len()));
                    let flat = Schema { optional, default: default.map(Into::into), ..of.clone() };
                    self.made.fields.push(Field { name: name.into(), schema: Arc::new(flat) });
                }
            }
        }
        Ok(level)
    }
}

impl Plan {
    fn new(schema: &Schema, schemas: &Schemas, delimiter: &str) -> Result<Plan, String> {
        require_struct(schema, PURPOSE)?;
        let mut builder = Builder { delimiter, made: like(schema) };
        let root = builder.level(schema, "", schema.optional, schema.default.as_deref())?;
        let slots = builder.made.fields.len();
        Ok(Plan { schema: schemas.intern(builder.made), slots, root })
    }
}

/// What is inside a struct that is null stays null.
fn write(level: &Level, from: &Row<'_>, rows: &mut RowBuf, row: RowMark) {
    for step in level {
        match step {
            Step::Field(take, to) => take.write(from, rows, row, *to),
            Step::Struct(slot, inner) => {
                if let Some(nested) = from.row(*slot).filter(|_| !from.is_null(*slot)) {
                    write(inner, &nested, rows, row);
                }
            }
        }
    }
}

/// Objects are taken apart, all else stays as it is written.
fn flat<'a>(map: Object<'a>, prefix: &str, delimiter: &str, out: &mut Object<'a>) -> Result<(), String> {
    for (name, text) in map.into_members() {
        let name = if prefix.is_empty() { name } else { named(prefix, delimiter, &name).into() };
        // What was read from a text lies in that text.
        let inner = match &text {
            Cow::Borrowed(text) if text.starts_with('{') => Object::read(text)?,
            _ => None,
        };
        match inner {
            Some(inner) => flat(inner, &name, delimiter, out)?,
            None => out.put(name, text),
        }
    }
    Ok(())
}

impl Each for Flatten {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let Flatten { part, delimiter, plans } = self;
        match record.operand(*part) {
            Operand::Null(_) => {
                record.pass(out);
                Ok(())
            }
            Operand::Free(text) => {
                let mut made = Object::default();
                flat(Object::required(text, PURPOSE)?, "", delimiter, &mut made)?;
                record.with_part(*part, out, |rows| Ok(made.write(rows)))
            }
            Operand::Typed(id, root) => {
                let plan = plans.get(id, |s, schemas| Plan::new(s, schemas, delimiter))?;
                record.with_part(*part, out, |rows| {
                    let row = rows.begin(plan.slots);
                    write(&plan.root, &root, rows, row);
                    Ok(Some(Some(plan.schema)))
                })
            }
        }
    }
}
