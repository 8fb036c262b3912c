//! `ReplaceField`: fields are left out or renamed.

use millrace_record::config::{ConfigType, Default, Importance, Parsed, Validator};
use millrace_record::row::BatchWriter;
use millrace_record::{Field, Schema, Schemas};

use super::object::Object;
use super::rows::{BySchema, Shape, Take, like, require_struct};
use super::{Definition, Each, Incoming, Make, Operand, Part, key, replace_null_key};

const PURPOSE: &str = "field replacement";

struct ReplaceField {
    part: Part,
    names: Names,
    replace_null: bool,
    shapes: BySchema<Shape>,
}

struct Names {
    exclude: Vec<String>,
    include: Vec<String>,
    renames: Vec<(String, String)>,
}

impl Names {
    /// What a field is called behind the transform. None: it is left out.
    fn of<'a>(&'a self, field: &'a str) -> Option<&'a str> {
        let in_list = |list: &[String]| list.iter().any(|n| n == field);
        if in_list(&self.exclude) || (!self.include.is_empty() && !in_list(&self.include)) {
            return None;
        }
        Some(self.renames.iter().rfind(|(from, _)| from == field).map_or(field, |(_, to)| to))
    }
}

pub(super) fn definition(part: Part) -> Definition {
    let list = |name: &str, documentation: &str| {
        key(name, ConfigType::List, Default::Value(String::new()), Importance::Medium, documentation)
    };
    Definition {
        name: "ReplaceField",
        documentation: "Leaves fields out, keeps some alone, or renames them.",
        keys: vec![
            list("exclude", "Fields to leave out, even when they are to be kept."),
            list("include", "Fields to keep; empty: all."),
            list("renames", "New names, old:new.").must(Validator::Custom(|_, value| match value {
                Some(Parsed::List(given)) => renames(given).map(drop),
                _ => Ok(()),
            })),
            replace_null_key(),
        ],
        make: Make::Of(part, |part, settings, schemas| {
            let given = settings.names("renames");
            let names = Names {
                exclude: settings.names("exclude"),
                include: settings.names("include"),
                renames: renames(&given).map_err(|why| ("renames", why))?,
            };
            Ok(Box::new(ReplaceField {
                part,
                names,
                replace_null: settings.yes("replace.null.with.default"),
                shapes: BySchema::new(schemas),
            }))
        }),
    }
}

fn renames(given: &[String]) -> Result<Vec<(String, String)>, String> {
    let pair = |mapping: &String| match mapping.split(':').collect::<Vec<_>>()[..] {
        // As Java splits: what is empty at the end does not count.
        [from, to] if !to.is_empty() => Ok((from.to_owned(), to.to_owned())),
        _ => {
            let given = given.join(", ");
            Err(format!("Invalid value [{given}] for configuration renames: Invalid rename mapping: {mapping}"))
        }
    };
    given.iter().map(pair).collect()
}

fn shape(schema: &Schema, schemas: &Schemas, names: &Names, replace_null: bool) -> Result<Shape, String> {
    require_struct(schema, PURPOSE)?;
    let mut made = like(schema);
    let mut takes = Vec::new();
    for (slot, field) in schema.fields.iter().enumerate() {
        if let Some(name) = names.of(&field.name) {
            if made.index(name).is_some() {
                return Err(format!("Cannot create field because of field name duplication {name}"));
            }
            made.fields.push(Field { name: name.into(), schema: field.schema.clone() });
            takes.push(Take::new(slot, &field.schema, replace_null));
        }
    }
    Ok(Shape { schema: schemas.intern(made), takes })
}

impl Each for ReplaceField {
    fn apply(&mut self, record: Incoming<'_>, out: &mut BatchWriter) -> Result<(), String> {
        let ReplaceField { part, names, replace_null, shapes } = self;
        match record.operand(*part) {
            Operand::Null(_) => {
                record.pass(out);
                Ok(())
            }
            Operand::Free(text) => {
                let mut kept = Object::default();
                for (name, value) in Object::required(text, PURPOSE)?.into_members() {
                    match names.of(&name) {
                        Some(to) if *to == *name => kept.put(name, value),
                        Some(to) => kept.put(to.to_owned().into(), value),
                        None => {}
                    }
                }
                record.with_part(*part, out, |rows| Ok(kept.write(rows)))
            }
            Operand::Typed(id, root) => {
                let shape = shapes.get(id, |s, schemas| shape(s, schemas, names, *replace_null))?;
                record.with_part(*part, out, |rows| {
                    shape.write(&root, 0, rows);
                    Ok(Some(Some(shape.schema)))
                })
            }
        }
    }
}
