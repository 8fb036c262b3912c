//! `InsertField`: fields with the record's coordinates, its time, or a constant.

use std::sync::Arc;

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::{BatchWriter, RowBuf, RowMark};
use millrace_record::{Field, Kind, Schema, Schemas};
use serde_json::Value;

use super::object::Object;
use super::rows::{BySchema, NO_NAME, Shape, Take, like, require_struct};
use super::{Definition, Each, Incoming, Make, Operand, Part, key, replace_null_key};

const PURPOSE: &str = "field insertion";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static,
}

struct Insert {
    what: What,
    name: String,
    optional: bool,
}

struct InsertField {
    part: Part,
    inserts: Vec<Insert>,
    constant: String,
    replace_null: bool,
    shapes: BySchema<Shape>,
}

const FIELDS: [(What, &str, &str); 5] = [
    (What::Topic, "topic.field", "The field for the topic."),
    (What::Partition, "partition.field", "The field for the partition."),
    (What::Offset, "offset.field", "The field for the offset; of sinks alone."),
    (What::Timestamp, "timestamp.field", "The field for the record's time."),
    (What::Static, "static.field", "The field for a value of your own."),
];

pub(super) fn definition(part: Part) -> Definition {
    let text = |name: &str, documentation: &str| key(name, ConfigType::String, Default::Null, Importance::Medium, documentation);
    let suffix = "A name that ends in ! is of a required field, in ? of an optional one, as without either.";
    let mut keys: Vec<_> = FIELDS.iter().map(|(_, name, doc)| text(name, &format!("{doc} {suffix}"))).collect();
    keys.push(text("static.value", "That value."));
    keys.push(replace_null_key());
    Definition {
        name: "InsertField",
        documentation: "Adds fields: of where the record is from, or a value of your own.",
        keys,
        make: Make::Of(part, |part, settings, schemas| {
            let mut inserts = Vec::new();
            for (what, key, _) in FIELDS {
                let Some(spec) = settings.text(key) else { continue };
                let (name, optional) = match spec.strip_suffix('!') {
                    Some(name) => (name, false),
                    None => (spec.strip_suffix('?').unwrap_or(spec), true),
                };
                inserts.push(Insert { what, name: name.to_owned(), optional });
            }
            if inserts.is_empty() {
                return Err(("topic.field", "No field insertion configured".into()));
            }
            let constant = settings.text("static.value");
            if let (None, Some(i)) = (constant, inserts.iter().find(|i| i.what == What::Static)) {
                let why =
                    format!("Invalid value null for configuration static.value: No value specified for static field: {}", i.name);
                return Err(("static.value", why));
            }
            Ok(Box::new(InsertField {
                part,
                inserts,
                constant: constant.unwrap_or_default().to_owned(),
                replace_null: settings.yes("replace.null.with.default"),
                shapes: BySchema::new(schemas),
            }))
        }),
    }
}

fn shape(schema: &Schema, schemas: &Schemas, inserts: &[Insert], replace_null: bool) -> Result<Shape, String> {
    require_struct(schema, PURPOSE)?;
    let mut made = like(schema);
    made.fields = schema.fields.clone();
    for i in inserts {
        let kind = match i.what {
            What::Topic | What::Static => Schema::new(Kind::Text),
            What::Partition => Schema::new(Kind::Int32),
            What::Offset => Schema::new(Kind::Int64),
            What::Timestamp => {
                Schema { version: Some(1), ..Schema::new(Kind::Int64).named("org.apache.kafka.connect.data.Timestamp") }
            }
        };
        if i.name.is_empty() {
            return Err(NO_NAME.into());
        }
        if made.index(&i.name).is_some() {
            return Err(format!("Cannot create field because of field name duplication {}", i.name));
        }
        let schema = Arc::new(Schema { optional: i.optional, ..kind });
        made.fields.push(Field { name: i.name.as_str().into(), schema });
    }
    let takes = schema.fields.iter().enumerate().map(|(slot, f)| Take::new(slot, &f.schema, replace_null)).collect();
    Ok(Shape { schema: schemas.intern(made), takes })
}

/// An offset there is in a sink only.
fn offset(record: &Incoming<'_>) -> Result<i64, String> {
    record
        .record
        .offset()
        .ok_or_else(|| format!("Only SinkRecord supported for [{PURPOSE}], found: org.apache.kafka.connect.source.SourceRecord"))
}

impl InsertField {
    fn fill(&self, record: &Incoming<'_>, rows: &mut RowBuf, row: RowMark, first: usize) -> Result<(), String> {
        for (i, insert) in self.inserts.iter().enumerate() {
            let slot = first + i;
            match insert.what {
                What::Topic => rows.text(row, slot, record.topic),
                What::Static => rows.text(row, slot, &self.constant),
                What::Partition => record.record.partition().into_iter().for_each(|p| rows.i64(row, slot, p.into())),
                What::Offset => rows.i64(row, slot, offset(record)?),
                What::Timestamp => record.record.timestamp().into_iter().for_each(|t| rows.i64(row, slot, t)),
            }
        }
        Ok(())
    }

    fn free<'t>(&self, record: &Incoming<'_>, text: &'t str) -> Result<Object<'t>, String> {
        let mut map = Object::required(text, PURPOSE)?;
        for insert in &self.inserts {
            let value: Option<Value> = match insert.what {
                What::Topic => Some(record.topic.into()),
                What::Static => Some(self.constant.as_str().into()),
                What::Partition => record.record.partition().map(Into::into),
                What::Offset => Some(offset(record)?.into()),
                What::Timestamp => record.record.timestamp().map(Into::into),
            };
            if let Some(value) = value {
                map.set(&insert.name, &value);
            }
        }
        Ok(map)
    }
}

impl Each for InsertField {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        match record.operand(self.part) {
            Operand::Null(_) => record.pass(out),
            Operand::Free(text) => {
                let map = self.free(&record, text)?;
                record.with_part(self.part, out, |rows| Ok(map.write(rows)))?;
            }
            Operand::Typed(id, root) => {
                let (inserts, replace_null) = (&self.inserts, self.replace_null);
                let shape = self.shapes.get(id, |s, schemas| shape(s, schemas, inserts, replace_null))?;
                record.with_part(self.part, out, |rows| {
                    let row = shape.write(&root, self.inserts.len(), rows);
                    self.fill(&record, rows, row, shape.takes.len())?;
                    Ok(Some(Some(shape.schema)))
                })?;
            }
        }
        Ok(())
    }
}
