//! A source task.

use async_trait::async_trait;
use millrace_record::{Batch, Mark, Polled, SourceOffset, SourceTask, TaskError};
use serde_json::Value;
use std::time::Duration;

use super::{Slot, call};
use crate::bindings::records::Encoded;
use crate::bindings::source::exports::millrace::plugin::source as guest;
use crate::instance::Maker;
use crate::wit;

pub(crate) struct ComponentSource {
    slot: Slot,
}

impl ComponentSource {
    pub fn new(maker: Maker) -> Self {
        ComponentSource { slot: Slot::new(maker) }
    }
}

#[async_trait]
impl SourceTask for ComponentSource {
    async fn start(&mut self, committed: &[SourceOffset]) -> Result<(), TaskError> {
        let (ctx, committed) = (self.slot.context(), lower(committed));
        let instance = self.slot.fresh().await?;
        call!(instance, "start", Source, millrace_plugin_source, call_start, &ctx, &committed).map_err(wit::error::lift)
    }

    async fn poll(&mut self, max_records: u32, max_bytes: u32) -> Result<Polled, TaskError> {
        let schemas = self.slot.maker.schemas.clone();
        let instance = self.slot.running()?;
        let polled = call!(instance, "poll", Source, millrace_plugin_source, call_poll, max_records, max_bytes)
            .map_err(wit::error::lift)?;
        lift(polled, max_records, &schemas).map_err(|what| instance.lied("poll", what))
    }

    async fn commit(&mut self, offsets: &[SourceOffset]) -> Result<(), TaskError> {
        let offsets = lower(offsets);
        let instance = self.slot.running()?;
        call!(instance, "commit", Source, millrace_plugin_source, call_commit, &offsets).map_err(wit::error::lift)
    }

    async fn stop(&mut self) {
        let stop = async {
            let instance = self.slot.running()?;
            if !instance.is_broken() {
                call!(instance, "stop", Source, millrace_plugin_source, call_stop);
            }
            Ok::<_, TaskError>(())
        };
        if let Err(error) = stop.await {
            tracing::warn!(error = %error, "plugin broke while it was stopped");
        }
        self.slot.instance = None;
    }
}

fn lower(offsets: &[SourceOffset]) -> Vec<guest::SourceOffset> {
    let lower = |o: &SourceOffset| guest::SourceOffset { partition: o.partition.to_string(), offset: o.offset.to_string() };
    offsets.iter().map(lower).collect()
}

fn lift(polled: guest::Polled, max_records: u32, schemas: &millrace_record::Schemas) -> Result<Polled, String> {
    let records = match polled.records {
        Encoded::Rows(rows) if rows.is_empty() => Batch::empty(),
        Encoded::Rows(rows) => Batch::check(rows, schemas).map_err(|e| e.to_string())?,
        Encoded::Documents(documents) => wit::batch::from_documents(documents, None, schemas)?.0,
    };
    if records.len() > max_records as usize {
        return Err(format!("{} records where at most {max_records} were asked for", records.len()));
    }
    let json = |what: &str, text: &str| serde_json::from_str::<Value>(text).map_err(|e| format!("{what} that is not JSON: {e}"));
    let partitions = polled.partitions.iter().map(|p| json("a source partition", p)).collect::<Result<Vec<_>, _>>()?;
    let mut through = 0;
    let mut marks = Vec::with_capacity(polled.marks.len());
    for mark in polled.marks {
        if mark.through < through || mark.through as usize > records.len() {
            return Err(format!("a mark through {} after one through {through}, of {} records", mark.through, records.len()));
        }
        through = mark.through;
        let Some(partition) = partitions.get(mark.partition as usize) else {
            return Err(format!("a mark of partition {} where there are {}", mark.partition, partitions.len()));
        };
        let offset = json("a source offset", &mark.offset)?;
        let offset = SourceOffset { partition: partition.clone(), offset };
        marks.push(Mark { through: mark.through, offset, boundary: mark.boundary });
    }
    Ok(Polled { records, marks, idle: polled.idle_ms.map(|ms| Duration::from_millis(ms.into())) })
}
