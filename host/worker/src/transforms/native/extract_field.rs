//! `ExtractField`: one field, perhaps nested, becomes the whole key or value.

use std::borrow::Cow;

use millrace_record::config::{ConfigType, Default, Importance};
use millrace_record::row::{BatchWriter, Row};
use millrace_record::{Kind, Schema, Schemas};

use super::object::{self, Object};
use super::rows::{BySchema, Take, require_struct};
use super::{Definition, Each, Incoming, Make, Operand, Part, key, path, replace_null_key};

const PURPOSE: &str = "field extraction";
/// What Connect says of a path of no names.
const NO_STEPS: &str = "fromIndex(0) > toIndex(-1)";

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
        documentation: "Makes a field the whole key or value.",
        keys: vec![
            key("field", ConfigType::String, Default::Required, Importance::Medium, "The field."),
            replace_null_key(),
            path::version_key(),
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
        let (mut at, mut slots) = (schema, Vec::new());
        let (last, way) = steps.split_last().ok_or(NO_STEPS)?;
        for step in way {
            slots.push(Self::slot(at, step, field)?);
            at = &at.fields[slots[slots.len() - 1]].schema;
        }
        let last = Self::slot(at, last, field)?;
        at = &at.fields[last].schema;
        Ok(Found { through: slots, take: Take::new(last, at, replace_null), schema: schemas.intern(at.clone()) })
    }

    fn slot(schema: &Schema, step: &str, field: &str) -> Result<usize, String> {
        if schema.kind != Kind::Struct {
            return Err("Cannot look up fields on non-struct type".into());
        }
        schema.index(step).ok_or_else(|| format!("Unknown field: {field}"))
    }

    /// The text at the path's end, where it is not null.
    fn within<'t>(text: &'t str, steps: &[String]) -> Result<Option<Cow<'t, str>>, String> {
        let (last, way) = steps.split_last().ok_or(NO_STEPS)?;
        let mut at = Cow::Borrowed(text);
        for (i, step) in way.iter().chain([last]).enumerate() {
            let purpose = if i == 0 { PURPOSE } else { "nested field access" };
            match Object::required(&at, purpose)?.get(step).map(str::to_owned) {
                Some(inner) => at = Cow::Owned(inner),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}

impl Each for ExtractField {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let ExtractField { part, field, steps, replace_null, found } = self;
        record.with_part(*part, out, |rows| match record.operand(*part) {
            Operand::Null(None) => Ok(None),
            Operand::Null(Some(id)) => {
                let found = found.get(id, |s, schemas| Self::find(s, schemas, field, steps, *replace_null))?;
                Ok(Some(Some(found.schema)))
            }
            Operand::Free(text) => Ok(Self::within(text, steps)?.and_then(|v| object::text(&v, rows))),
            Operand::Typed(id, root) => {
                let schema = record.schemas.get(id);
                schema.as_deref().map_or(Ok(()), |s| require_struct(s, PURPOSE))?;
                let found = found.get(id, |s, schemas| Self::find(s, schemas, field, steps, *replace_null))?;
                let inside =
                    found.through.iter().try_fold(root, |row: Row<'_>, slot| row.row(*slot).filter(|_| !row.is_null(*slot)));
                // What appends nothing is null, and has its schema all the same.
                if let Some(row) = inside {
                    found.take.root(&row, rows);
                }
                Ok(Some(Some(found.schema)))
            }
        })
    }
}
