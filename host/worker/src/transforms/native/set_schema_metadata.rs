//! `SetSchemaMetadata`: a schema's name and version.

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::BatchWriter;
use millrace_record::{Kind, Schema, Schemas};

use super::rows::{BySchema, Shape, Take};
use super::{Definition, Each, Incoming, Make, Operand, Part, key, replace_null_key};

struct SetSchemaMetadata {
    part: Part,
    name: Option<String>,
    version: Option<i32>,
    replace_null: bool,
    shapes: BySchema<Shape>,
}

pub(super) fn definition(part: Part) -> Definition {
    Definition {
        name: "SetSchemaMetadata",
        documentation: "Gives the schema another name, another version, or both.",
        keys: vec![
            key("schema.name", ConfigType::String, Default::Null, Importance::High, "The name."),
            key("schema.version", ConfigType::Int, Default::Null, Importance::High, "The version."),
            replace_null_key(),
        ],
        make: Make::Of(part, |part, settings, schemas| {
            let name = settings.text("schema.name").map(str::to_owned);
            let version = settings.text("schema.version").and_then(|v| v.trim().parse().ok());
            if name.is_none() && version.is_none() {
                return Err(("schema.name", "Neither schema name nor version configured".into()));
            }
            Ok(Box::new(SetSchemaMetadata {
                part,
                name,
                version,
                replace_null: settings.yes("replace.null.with.default"),
                shapes: BySchema::new(schemas),
            }))
        }),
    }
}

impl SetSchemaMetadata {
    fn shape(
        schema: &Schema,
        schemas: &Schemas,
        name: Option<&str>,
        version: Option<i32>,
        replace_null: bool,
    ) -> Result<Shape, String> {
        if schema.kind != Kind::Struct {
            // So Connect, whatever the type.
            return Err("Cannot list fields on non-struct type".into());
        }
        let mut made = schema.clone();
        if let Some(name) = name {
            made.name = Some(name.into());
        }
        made.version = version.or(made.version);
        let fields = schema.fields.iter().enumerate();
        let takes = fields.map(|(slot, f)| Take::new(slot, &f.schema, replace_null)).collect();
        Ok(Shape { schema: schemas.intern(made), takes })
    }
}

impl Each for SetSchemaMetadata {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let SetSchemaMetadata { part, name, version, replace_null, shapes } = self;
        match record.operand(*part) {
            Operand::Null(None) => {
                record.pass(out);
                Ok(())
            }
            Operand::Free(_) => Err("Schema required for [updating schema metadata]".into()),
            operand @ (Operand::Typed(id, _) | Operand::Null(Some(id))) => {
                let shape = shapes.get(id, |s, schemas| Self::shape(s, schemas, name.as_deref(), *version, *replace_null))?;
                record.with_part(*part, out, |rows| {
                    if let Operand::Typed(_, root) = operand {
                        shape.write(&root, 0, rows);
                    }
                    Ok(Some(Some(shape.schema)))
                })
            }
        }
    }
}
