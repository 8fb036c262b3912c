//! `ExtractField`: one field, perhaps nested, becomes the whole key or value.

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::{BatchWriter, Row};
use millrace_record::{Kind, Schema, Schemas};

use super::rows::{BySchema, Take, free, require_map, require_struct};
use super::{Definition, Each, Incoming, Make, Operand, Part, key, path, replace_null_key};

const PURPOSE: &str = "field extraction";

struct ExtractField {
    part: Part,
    /// As it was given.
    field: String,
    steps: Vec<String>,
    replace_null: bool,
    found: BySchema<Found>,
}

/// Where the field is in a schema.
struct Found {
    /// Slots of the structs on the way.
    through: Vec<usize>,
    take: Take,
    schema: u32,
}

pub(super) fn definition(part: Part) -> Definition {
    Definition {
        name: "ExtractField",
        documentation: "Extract the specified field from a Struct when schema present, or a Map in the case of schemaless data. Any null values are passed through unmodified.",
        keys: vec![
            key("field", ConfigType::String, Default::Required, Importance::Medium, "Field name to extract."),
            path::version_key(),
            replace_null_key(),
        ],
        make: Make::Of(part, |part, settings, schemas| {
            let field = settings.required("field").to_owned();
            Ok(Box::new(ExtractField {
                part,
                steps: path::steps(settings, &field)?,
                field,
                replace_null: settings.yes("replace.null.with.default"),
                found: BySchema::new(schemas),
            }))
        }),
    }
}

impl ExtractField {
    fn find(schema: &Schema, schemas: &Schemas, field: &str, steps: &[String], replace_null: bool) -> Result<Found, String> {
        require_struct(schema, PURPOSE)?;
        let (mut at, mut slots) = (schema, Vec::new());
        for step in steps {
            let slot = Some(at).filter(|s| s.kind == Kind::Struct).and_then(|s| s.index(step));
            let slot = slot.ok_or_else(|| format!("Unknown field: {field}"))?;
            slots.push(slot);
            at = &at.fields[slot].schema;
        }
        let last = slots.pop().expect("a path has a step");
        Ok(Found { through: slots, take: Take::new(last, at, replace_null), schema: schemas.intern(at.clone()) })
    }
}

impl Each for ExtractField {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let ExtractField { part, field, steps, replace_null, found } = self;
        record.with_part(*part, out, |rows| match record.operand(*part) {
            Operand::Null(None) => Ok(None),
            Operand::Null(Some(id)) if record.schemas.get(id).is_some_and(|s| s.kind != Kind::Struct) => {
                Err("Cannot look up fields on non-struct type".into())
            }
            Operand::Null(Some(id)) => {
                let found = found.get(id, |s, schemas| Self::find(s, schemas, field, steps, *replace_null))?;
                Ok(Some(Some(found.schema)))
            }
            Operand::Free(text) => {
                let map = require_map(text, PURPOSE)?;
                let (first, more) = steps.split_first().expect("a path has a step");
                let value = map.get(first).and_then(|v| more.iter().try_fold(v, |v, step| v.get(step)));
                Ok(value.and_then(|v| free(v, rows)))
            }
            Operand::Typed(id, root) => {
                let found = found.get(id, |s, schemas| Self::find(s, schemas, field, steps, *replace_null))?;
                let inside =
                    found.through.iter().try_fold(root, |row: Row<'_>, slot| row.row(*slot).filter(|_| !row.is_null(*slot)));
                // What appends nothing is null, and has its schema all the same.
                inside.iter().for_each(|row| drop(found.take.root(row, rows)));
                Ok(Some(Some(found.schema)))
            }
        })
    }
}
