//! Where the field is in values of one schema: found once, used for every record.

use millrace_plugin::{Kind, Row, Schema};

pub enum Plan {
    Mask(Vec<Path>),
    /// Values of this schema cannot be masked.
    Refuse(String),
}

/// The slots from the value's row to the field: one in a flat struct, two in a change event.
pub struct Path(Vec<usize>);

impl Plan {
    pub fn of(schema: &Schema, field: &str) -> Plan {
        if schema.kind == Kind::Any {
            return Plan::Refuse(format!("the value has no schema, so that \"{field}\" cannot be found in it"));
        }
        let is_event = schema.index("op").is_some() && schema.index("before").is_some() && schema.index("after").is_some();
        let structs: &[&str] = if is_event { &["before", "after"] } else { &[] };
        let mut paths = Vec::new();
        for at in structs.iter().map(|name| schema.index(name)).chain((!is_event).then_some(None)) {
            let holder = at.map_or(schema, |at| &schema.fields[at].schema);
            let Some(slot) = holder.index(field) else { continue };
            if holder.fields[slot].schema.kind != Kind::Text {
                return Plan::Refuse(format!("\"{field}\" is no text; name a field that holds an address"));
            }
            paths.push(Path(at.into_iter().chain([slot]).collect()));
        }
        Plan::Mask(paths)
    }
}

impl Path {
    pub fn slots(&self) -> &[usize] {
        &self.0
    }

    /// The field's text; none when it is null, or what holds it is.
    pub fn text<'a>(&self, value: Row<'a>) -> Option<&'a str> {
        let (&leaf, parents) = self.0.split_last()?;
        let row = parents.iter().try_fold(value, |row, &slot| row.row(slot))?;
        if row.is_null(leaf) { None } else { row.try_text(leaf) }
    }
}
