//! `ValueToKey`: fields of the value become the key.

use millrace_record::config::{ConfigType, Default, Importance, Validator};
use millrace_record::row::BatchWriter;
use millrace_record::{Kind, Schema, Schemas};

use super::object::Object;
use super::rows::{BySchema, Shape, Take, refused_null, require_struct};
use super::{Definition, Each, Incoming, Make, Operand, Part, key, replace_null_key};

const PURPOSE: &str = "copying fields from value to key";

struct ValueToKey {
    fields: Vec<String>,
    replace_null: bool,
    shapes: BySchema<Shape>,
}

pub(super) fn definition() -> Definition {
    Definition {
        name: "ValueToKey",
        documentation: "Makes the key of fields of the value.",
        keys: vec![
            key("fields", ConfigType::List, Default::Required, Importance::High, "The fields.")
                .must(Validator::Distinct { empty: false }),
            replace_null_key(),
        ],
        make: Make::Whole(|settings, schemas| {
            let mut fields = Vec::new();
            // Connect takes each name once.
            settings.names("fields").into_iter().for_each(|name| {
                if !fields.contains(&name) {
                    fields.push(name);
                }
            });
            if fields.is_empty() {
                let why = "Configuration 'fields' must not be empty. Valid values include: any non-empty value";
                return Err(("fields", why.into()));
            }
            Ok(Box::new(ValueToKey {
                fields,
                replace_null: settings.yes("replace.null.with.default"),
                shapes: BySchema::new(schemas),
            }))
        }),
    }
}

fn shape(schema: &Schema, schemas: &Schemas, fields: &[String], replace_null: bool) -> Result<Shape, String> {
    require_struct(schema, PURPOSE)?;
    let (mut made, mut takes) = (Schema::new(Kind::Struct), Vec::new());
    for name in fields {
        let slot = schema.index(name).ok_or_else(|| format!("Field does not exist: {name}"))?;
        made.fields.push(schema.fields[slot].clone());
        takes.push(Take::new(slot, &schema.fields[slot].schema, replace_null));
    }
    Ok(Shape { schema: schemas.intern(made), takes })
}

impl Each for ValueToKey {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let ValueToKey { fields, replace_null, shapes } = self;
        record.with_part(Part::Key, out, |rows| match record.operand(Part::Value) {
            Operand::Null(schema) => Err(refused_null(schema, PURPOSE)),
            Operand::Free(text) => {
                let map = Object::required(text, PURPOSE)?;
                let mut key = Object::default();
                fields.iter().for_each(|f| key.put(f.into(), map.get(f).unwrap_or("null").into()));
                Ok(key.write(rows))
            }
            Operand::Typed(id, root) => {
                let shape = shapes.get(id, |s, schemas| shape(s, schemas, fields, *replace_null))?;
                shape.write(&root, 0, rows);
                Ok(Some(Some(shape.schema)))
            }
        })
    }
}
