//! A record for each part of a text.

use std::collections::HashMap;

use millrace_plugin::edit::{Edit, copy_edited};
use millrace_plugin::{
    Batch, BatchWriter, ConfigKey, Error, Kind, Outcome, PluginInfo, Record, TaskContext, Transform, export_transform, schema,
};

export_transform!(Split);

struct Split {
    field: String,
    /// The field's slot, by the id of the value's schema; none: it has no such text.
    slots: HashMap<u32, Option<usize>>,
}

impl Transform for Split {
    fn info() -> PluginInfo {
        PluginInfo::transform("split-rust", env!("CARGO_PKG_VERSION"))
            .doc("Makes a record of each part of a text.")
            .key(ConfigKey::text("field").required().doc("The field with parts joined by commas."))
    }

    fn configure(ctx: TaskContext) -> Result<Self, Error> {
        Ok(Split { field: ctx.config.required("field")?.to_owned(), slots: HashMap::new() })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let rows = batch.rows()?;
        let mut out = BatchWriter::with_capacity(rows.bytes().len() * 2);
        let mut origin = Vec::with_capacity(rows.len() * 2);
        for (i, record) in rows.iter().enumerate() {
            let topic = out.topic(rows.topic_of(&record));
            let Some((slot, text)) = self.text(&record)? else {
                out.copy(&record, topic);
                origin.push(i as u32);
                continue;
            };
            for part in text.split(',') {
                copy_edited(&mut out, &record, topic, &[Edit { path: &[slot], value: part.as_bytes() }]);
                origin.push(i as u32);
            }
        }
        Ok(Outcome::replace(out, origin))
    }
}

impl Split {
    /// Where the field is, and what it has; none: nothing to split.
    fn text<'r>(&mut self, record: &Record<'r>) -> Result<Option<(usize, &'r str)>, Error> {
        let (Some(id), Some(row)) = (record.value_schema(), record.value()) else { return Ok(None) };
        let slot = match self.slots.get(&id) {
            Some(slot) => *slot,
            None => {
                let schema = schema::get(id)?;
                let slot = schema.index(&self.field).filter(|slot| schema.fields[*slot].schema.kind == Kind::Text);
                self.slots.insert(id, slot);
                slot
            }
        };
        Ok(slot.filter(|slot| !row.is_null(*slot)).map(|slot| (slot, row.text(slot))))
    }
}
