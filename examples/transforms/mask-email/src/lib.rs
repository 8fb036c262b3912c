//! Hides the local part of e-mail addresses: `ada@example.com` becomes `a**@example.com`.
//!
//! `field` names the field. It is looked for in a flat struct, and in `before` and `after` of a Debezium change event. A
//! record whose value is no address fails as poison: it goes to the dead letter queue where `errors.tolerance` is `all`,
//! and is never let through unmasked. Records without the field pass as they are.

mod address;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::rc::Rc;

use millrace_plugin::edit::{Edit, copy_edited};
use millrace_plugin::{
    Batch, BatchWriter, ConfigKey, Error, Outcome, PluginInfo, Record, RecordFailure, TaskContext, Transform, export_transform,
    schema,
};

use plan::Plan;

export_transform!(MaskEmail);

pub struct MaskEmail {
    field: String,
    /// What to do with a value, by the id of its schema.
    plans: HashMap<u32, Rc<Plan>>,
    /// That of the last value: schemas come in runs.
    last: Option<(u32, Rc<Plan>)>,
    /// The masked addresses of a record, `before` and `after`; kept for their room.
    masked: [Vec<u8>; 2],
}

impl Transform for MaskEmail {
    fn info() -> PluginInfo {
        PluginInfo::transform("mask-email", env!("CARGO_PKG_VERSION"))
            .doc("Hides the local part of the e-mail addresses in one field.")
            .class("com.example.MaskEmail")
            .key(ConfigKey::text("field").required().doc("The field that holds the address."))
    }

    fn configure(ctx: TaskContext) -> Result<Self, Error> {
        Ok(MaskEmail {
            field: ctx.config.required("field")?.to_owned(),
            plans: HashMap::new(),
            last: None,
            masked: Default::default(),
        })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let rows = batch.rows()?;
        let mut out = BatchWriter::with_capacity(rows.bytes().len());
        let topics: Vec<u32> = rows.topics().iter().map(|name| out.topic(name)).collect();
        let mut origin = Vec::with_capacity(rows.len());
        let mut failures = Vec::new();
        for (i, record) in rows.iter().enumerate() {
            match self.mask(&record, topics[record.topic() as usize], &mut out)? {
                Ok(()) => origin.push(i as u32),
                Err(why) => failures.push(RecordFailure::poison(i, "mask-email.refused", why)),
            }
        }
        Ok(Outcome::replace(out, origin).failing(failures))
    }
}

impl MaskEmail {
    /// Appends the record to `out`, masked. The inner error: this record is poison, and why.
    fn mask(&mut self, record: &Record<'_>, topic: u32, out: &mut BatchWriter) -> Result<Result<(), String>, Error> {
        let Some(value) = record.value() else {
            out.copy(record, topic);
            return Ok(Ok(()));
        };
        let Some(id) = record.value_schema() else {
            return Ok(Err(format!("the value has no schema, so that \"{}\" cannot be found in it", self.field)));
        };
        let plan = self.plan(id)?;
        let paths = match &*plan {
            Plan::Mask(paths) => paths,
            Plan::Refuse(why) => return Ok(Err(why.clone())),
        };
        let mut edits = [Edit { path: &[], value: &[] }; 2];
        for ((path, masked), edit) in paths.iter().zip(&mut self.masked).zip(&mut edits) {
            let Some(address) = path.text(value) else { continue };
            masked.clear();
            if let Err(why) = address::mask(address, masked) {
                return Ok(Err(format!("\"{}\" holds no e-mail address: {why}", self.field)));
            }
            *edit = Edit { path: path.slots(), value: masked };
        }
        copy_edited(out, record, topic, &edits);
        Ok(Ok(()))
    }

    fn plan(&mut self, id: u32) -> Result<Rc<Plan>, Error> {
        if let Some((_, plan)) = self.last.as_ref().filter(|(last, _)| *last == id) {
            return Ok(plan.clone());
        }
        let plan = match self.plans.get(&id) {
            Some(plan) => plan.clone(),
            None => Rc::new(Plan::of(&*schema::get(id)?, &self.field)),
        };
        self.plans.insert(id, plan.clone());
        self.last = Some((id, plan.clone()));
        Ok(plan)
    }
}
