//! Hides the text of one field.

use std::collections::HashMap;

use millrace_plugin::edit::{Edit, copy_edited};
use millrace_plugin::{
    Batch, BatchWriter, ConfigKey, Error, Kind, Outcome, PluginInfo, RecordFailure, TaskContext, Transform, export_transform,
    schema,
};

export_transform!(MyPlugin);

struct MyPlugin {
    field: String,
    mask: String,
    /// The field's slot, by the id of the value's schema; none: it has no such text.
    slots: HashMap<u32, Option<usize>>,
}

impl Transform for MyPlugin {
    fn info() -> PluginInfo {
        PluginInfo::transform("my-plugin", env!("CARGO_PKG_VERSION"))
            .doc("Hides the text of one field.")
            .key(ConfigKey::text("field").required().doc("The field to hide."))
            .key(ConfigKey::text("mask").default("***").doc("What stands in its place."))
    }

    fn configure(ctx: TaskContext) -> Result<Self, Error> {
        Ok(MyPlugin {
            field: ctx.config.required("field")?.to_owned(),
            mask: ctx.config.required("mask")?.to_owned(),
            slots: HashMap::new(),
        })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let rows = batch.rows()?;
        let mut out = BatchWriter::with_capacity(rows.bytes().len());
        let (mut origin, mut failures) = (Vec::new(), Vec::new());
        for (i, record) in rows.iter().enumerate() {
            let topic = out.topic(rows.topic_of(&record));
            if record.value().is_none() {
                out.copy(&record, topic); // a tombstone: as it is
                origin.push(i as u32);
                continue;
            }
            match record.value_schema().map(|id| self.slot(id)).transpose()?.flatten() {
                Some(slot) => {
                    copy_edited(&mut out, &record, topic, &[Edit { path: &[slot], value: self.mask.as_bytes() }]);
                    origin.push(i as u32);
                }
                // This record alone goes to `errors.tolerance` and the dead letter queue.
                None => {
                    let why = format!("the value has no text field \"{}\"", self.field);
                    failures.push(RecordFailure::poison(i, "my-plugin.no-field", why));
                }
            }
        }
        Ok(Outcome::replace(out, origin).failing(failures))
    }
}

impl MyPlugin {
    /// Positions are looked for once a schema, not once a record.
    fn slot(&mut self, id: u32) -> Result<Option<usize>, Error> {
        if let Some(slot) = self.slots.get(&id) {
            return Ok(*slot);
        }
        let schema = schema::get(id)?;
        let slot = schema.index(&self.field).filter(|slot| schema.fields[*slot].schema.kind == Kind::Text);
        self.slots.insert(id, slot);
        Ok(slot)
    }
}
