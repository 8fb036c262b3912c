//! `HoistField`: the whole key or value becomes the one field of a new struct or map.

use std::sync::Arc;

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::BatchWriter;
use millrace_record::{Field, Kind, Schema};

use super::object::Object;
use super::rows::{BySchema, NO_NAME, Take};
use super::{Definition, Each, Incoming, Make, Operand, Part, key};

struct HoistField {
    part: Part,
    field: String,
    shapes: BySchema<(Arc<Schema>, u32)>,
}

pub(super) fn definition(part: Part) -> Definition {
    Definition {
        name: "HoistField",
        documentation: "Puts the whole key or value into a field of a new one.",
        keys: vec![key("field", ConfigType::String, Default::Required, Importance::Medium, "The name of the field.")],
        make: Make::Of(part, |part, settings, schemas| {
            let field = settings.required("field").to_owned();
            Ok(Box::new(HoistField { part, field, shapes: BySchema::new(schemas) }))
        }),
    }
}

impl Each for HoistField {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let HoistField { part, field, shapes } = self;
        record.with_part(*part, out, |rows| {
            let value = match record.operand(*part) {
                operand @ (Operand::Typed(id, _) | Operand::Null(Some(id))) => {
                    let shape = shapes.get(id, |schema, schemas| {
                        if field.is_empty() {
                            return Err(NO_NAME.into());
                        }
                        let schema = Arc::new(schema.clone());
                        let fields = vec![Field { name: field.as_str().into(), schema: schema.clone() }];
                        Ok((schema, schemas.intern(Schema { fields, ..Schema::new(Kind::Struct) })))
                    })?;
                    let row = rows.begin(1);
                    if let Operand::Typed(_, root) = operand {
                        Take::whole(&shape.0, &root, rows, row, 0);
                    }
                    return Ok(Some(Some(shape.1)));
                }
                Operand::Free(text) => text,
                Operand::Null(None) => "null",
            };
            let mut made = Object::default();
            made.put(field.as_str().into(), value.into());
            Ok(made.write(rows))
        })
    }
}
