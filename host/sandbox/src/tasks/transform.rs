//! A transform.

use async_trait::async_trait;
use millrace_record::row::BatchWriter;
use millrace_record::{Batch, Fitter, Outcome, Quota, RecordFailure, Schemas, TaskError, Transform};
use wasmtime::component::Resource;

use super::{Slot, call, failures, without};
use crate::bindings::plain::exports::millrace::plugin::plain::{PlainOutcome, PlainRecord};
use crate::bindings::records::Encoded;
use crate::bindings::transform::exports::millrace::plugin::transform as guest;
use crate::capabilities::records::LentBatch;
use crate::instance::{Maker, World};
use crate::wit;
use crate::wit::batch::{Failed, Origins};
use crate::wit::error::{CODE_BYTES_MAX, MESSAGE_BYTES_MAX, cut};

/// The code of a document that does not fit the schema it was put under.
const UNFIT: &str = "records.unfit";

pub(crate) struct ComponentTransform {
    slot: Slot,
    fitter: Fitter,
}

impl ComponentTransform {
    pub fn new(maker: Maker) -> Self {
        ComponentTransform { fitter: Fitter::new(&maker.schemas), slot: Slot::new(maker) }
    }
}

#[async_trait]
impl Transform for ComponentTransform {
    async fn configure(&mut self) -> Result<(), TaskError> {
        let ctx = self.slot.context();
        let instance = self.slot.fresh().await?;
        let answer = match instance.world {
            World::Plain(_) => call!(instance, "configure", Plain, millrace_plugin_plain, call_configure, &ctx),
            _ => call!(instance, "configure", Transform, millrace_plugin_transform, call_configure, &ctx),
        };
        answer.map_err(wit::error::lift)
    }

    async fn apply(&mut self, records: &Batch) -> Result<Outcome, TaskError> {
        let (schemas, quota) = (self.slot.maker.schemas.clone(), self.slot.maker.quota.clone());
        let fitter = &mut self.fitter;
        let instance = self.slot.running()?;
        if let World::Plain(_) = instance.world {
            let failed = |what| TaskError::fatal("records.no-documents", format!("records cannot be shown as JSON: {what}"));
            let given = wit::plain::lower(records, &schemas).map_err(failed)?;
            let answer = call!(instance, "apply", Plain, millrace_plugin_plain, call_apply, &given);
            let outcomes = answer.map_err(wit::error::lift)?;
            return lift_plain(outcomes, &given, records, fitter, &schemas).map_err(|what| instance.lied("apply", what));
        }
        instance.whole()?;
        let lent = LentBatch::lend(&mut instance.store, records)?;
        let borrowed = Resource::new_borrow(lent.rep());
        let answer = call!(instance, "apply", Transform, millrace_plugin_transform, call_apply, borrowed);
        LentBatch::take_back(&mut instance.store, lent);
        let outcome = answer.map_err(wit::error::lift)?;
        lift(outcome, records, fitter, (&schemas, &quota)).map_err(|what| instance.lied("apply", what))
    }

    async fn close(&mut self) {
        let close = async {
            let instance = self.slot.running()?;
            if !instance.is_broken() {
                match instance.world {
                    World::Plain(_) => call!(instance, "close", Plain, millrace_plugin_plain, call_close),
                    _ => call!(instance, "close", Transform, millrace_plugin_transform, call_close),
                }
            }
            Ok::<_, TaskError>(())
        };
        if let Err(error) = close.await {
            tracing::warn!(error = %error, "plugin broke while it was closed");
        }
        self.slot.instance = None;
    }
}

/// What a transform over batches answers.
fn lift(
    outcome: guest::Outcome,
    input: &Batch,
    fitter: &mut Fitter,
    (schemas, quota): (&Schemas, &Quota),
) -> Result<Outcome, String> {
    let (mut failures, _) = failures(outcome.failures, input.len())?;
    let (records, origin) = match outcome.output {
        guest::Output::Unchanged => (input.clone(), None),
        guest::Output::Patch(patch) => wit::batch::patched(input, patch, schemas, quota)?,
        guest::Output::Replace(guest::Replacement { records, mut origin }) => {
            let records = match records {
                Encoded::Rows(rows) if rows.is_empty() => Batch::empty(),
                Encoded::Rows(rows) => Batch::check(rows, schemas).map_err(|e| e.to_string())?,
                Encoded::Documents(documents) => {
                    let n = documents.len();
                    if origin.len() != n {
                        return Err(format!("{} origins for {n} records", origin.len()));
                    }
                    let origins = Origins { input, rows: &origin, fitter };
                    let (records, unfit) = wit::batch::from_documents(documents, Some(origins), schemas)?;
                    let mut whole = vec![true; n];
                    for (i, what) in unfit {
                        whole[i] = false;
                        fail(&mut failures, origin[i], what);
                    }
                    let mut whole = whole.into_iter();
                    origin.retain(|_| whole.next().unwrap_or(true));
                    records
                }
            };
            if origin.len() != records.len() {
                return Err(format!("{} origins for {} records", origin.len(), records.len()));
            }
            if let Some(row) = origin.iter().find(|o| **o as usize >= input.len()) {
                return Err(format!("a record that descends from row {row} of a batch of {}", input.len()));
            }
            (records, Some(origin))
        }
    };
    Ok(without_failed(records, origin, failures, input.len()))
}

/// What a transform over simple values answers.
fn lift_plain(
    outcomes: Vec<PlainOutcome>,
    given: &[PlainRecord],
    input: &Batch,
    fitter: &mut Fitter,
    schemas: &Schemas,
) -> Result<Outcome, String> {
    if outcomes.len() != input.len() {
        return Err(format!("{} outcomes for {} records", outcomes.len(), input.len()));
    }
    let view = input.view();
    let mut out = BatchWriter::with_capacity(input.bytes().len());
    let (mut origin, mut failures) = (Vec::with_capacity(input.len()), Vec::new());
    for (row, outcome) in outcomes.into_iter().enumerate() {
        let (of, given, row) = (view.record(row), &given[row], row as u32);
        match outcome {
            PlainOutcome::Unchanged => {
                let topic = out.topic(view.topic_of(&of));
                out.copy(&of, topic);
                origin.push(row);
            }
            PlainOutcome::Records(records) => {
                for made in records {
                    match wit::plain::lift(&made, given, &of, fitter, &mut out) {
                        Ok(()) => origin.push(row),
                        Err(what) => fail(&mut failures, row, what),
                    }
                }
            }
            PlainOutcome::Failed(mut f) => {
                cut(&mut f.message, MESSAGE_BYTES_MAX);
                cut(&mut f.code, CODE_BYTES_MAX);
                failures.push(RecordFailure { row, retriable: f.retriable, code: f.code, message: f.message });
            }
        }
    }
    let records = Batch::check(out.finish(), schemas).map_err(|e| e.to_string())?;
    Ok(without_failed(records, Some(origin), failures, input.len()))
}

/// A record of which something was made that does not fit its schema; once, whatever came of it besides.
fn fail(failures: &mut Vec<RecordFailure>, row: u32, what: Failed) {
    if failures.iter().all(|f| f.row != row) {
        failures.push(RecordFailure { row, retriable: false, code: UNFIT.to_owned(), message: what.0 });
    }
}

/// Rows that failed take no part, whatever the plugin made of them.
fn without_failed(records: Batch, origin: Option<Vec<u32>>, failures: Vec<RecordFailure>, rows: usize) -> Outcome {
    if failures.is_empty() {
        return Outcome { records, origin, failures };
    }
    let mut failed = vec![false; rows];
    for failure in &failures {
        failed[failure.row as usize] = true;
    }
    let origin = origin.unwrap_or_else(|| (0..rows as u32).collect());
    let dropped: Vec<bool> = origin.iter().map(|o| failed[*o as usize]).collect();
    let records = if dropped.contains(&true) { without(&records, &dropped) } else { records };
    let origin = origin.into_iter().filter(|o| !failed[*o as usize]).collect();
    Outcome { records, origin: Some(origin), failures }
}
