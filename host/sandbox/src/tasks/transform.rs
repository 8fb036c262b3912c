//! A transform.

use async_trait::async_trait;
use millrace_record::{Batch, Outcome, Schemas, TaskError, Transform};
use wasmtime::component::Resource;

use super::{Slot, call, failures, without};
use crate::bindings::records::Encoded;
use crate::bindings::transform::exports::millrace::plugin::transform as guest;
use crate::capabilities::records::LentBatch;
use crate::instance::Maker;
use crate::wit;

pub(crate) struct ComponentTransform {
    slot: Slot,
}

impl ComponentTransform {
    pub fn new(maker: Maker) -> Self {
        ComponentTransform { slot: Slot::new(maker) }
    }
}

#[async_trait]
impl Transform for ComponentTransform {
    async fn configure(&mut self) -> Result<(), TaskError> {
        let ctx = self.slot.context();
        let instance = self.slot.fresh().await?;
        call!(instance, "configure", Transform, millrace_plugin_transform, call_configure, &ctx).map_err(wit::error::lift)
    }

    async fn apply(&mut self, records: &Batch) -> Result<Outcome, TaskError> {
        let schemas = self.slot.maker.schemas.clone();
        let instance = self.slot.running()?;
        let lent = LentBatch::lend(&mut instance.store, records)?;
        let borrowed = Resource::new_borrow(lent.rep());
        let answer = call!(instance, "apply", Transform, millrace_plugin_transform, call_apply, borrowed);
        LentBatch::take_back(&mut instance.store, lent);
        let outcome = answer.map_err(wit::error::lift)?;
        lift(outcome, records, &schemas).map_err(|what| instance.lied("apply", what))
    }

    async fn close(&mut self) {
        let close = async {
            let instance = self.slot.running()?;
            if !instance.is_broken() {
                call!(instance, "close", Transform, millrace_plugin_transform, call_close);
            }
            Ok::<_, TaskError>(())
        };
        if let Err(error) = close.await {
            tracing::warn!(error = %error, "plugin broke while it was closed");
        }
        self.slot.instance = None;
    }
}

fn lift(outcome: guest::Outcome, input: &Batch, schemas: &Schemas) -> Result<Outcome, String> {
    let (failures, failed) = failures(outcome.failures, input.len())?;
    let (records, origin) = match outcome.output {
        guest::Output::Unchanged => (input.clone(), None),
        guest::Output::Patch(patch) => wit::batch::patched(input, patch, schemas)?,
        guest::Output::Replace(replacement) => {
            let records = match replacement.records {
                Encoded::Rows(rows) if rows.is_empty() => Batch::empty(),
                Encoded::Rows(rows) => Batch::check(rows, schemas).map_err(|e| e.to_string())?,
                Encoded::Documents(documents) => {
                    wit::batch::from_documents(documents, Some((input, &replacement.origin)), schemas)?
                }
            };
            if replacement.origin.len() != records.len() {
                return Err(format!("{} origins for {} records", replacement.origin.len(), records.len()));
            }
            if let Some(row) = replacement.origin.iter().find(|o| **o as usize >= input.len()) {
                return Err(format!("a record that descends from row {row} of a batch of {}", input.len()));
            }
            (records, Some(replacement.origin))
        }
    };
    if failures.is_empty() {
        return Ok(Outcome { records, origin, failures });
    }
    // Rows that failed take no part, whatever the plugin made of them.
    let origin = origin.unwrap_or_else(|| (0..input.len() as u32).collect());
    let dropped: Vec<bool> = origin.iter().map(|o| failed[*o as usize]).collect();
    let records = if dropped.contains(&true) { without(&records, &dropped) } else { records };
    let origin = origin.into_iter().filter(|o| !failed[*o as usize]).collect();
    Ok(Outcome { records, origin: Some(origin), failures })
}
