//! A sink task.

use async_trait::async_trait;
use millrace_record::{Batch, Flushed, LateFailure, RecordFailure, SinkTask, TaskError, TopicOffset, TopicPartition};
use wasmtime::component::Resource;

use super::{Slot, call, failures};
use crate::bindings::sink::exports::millrace::plugin::sink as guest;
use crate::capabilities::records::LentBatch;
use crate::instance::Maker;
use crate::wit;
use crate::wit::error::{CODE_BYTES_MAX, MESSAGE_BYTES_MAX, cut};

pub(crate) struct ComponentSink {
    slot: Slot,
}

impl ComponentSink {
    pub fn new(maker: Maker) -> Self {
        ComponentSink { slot: Slot::new(maker) }
    }
}

#[async_trait]
impl SinkTask for ComponentSink {
    async fn start(&mut self) -> Result<(), TaskError> {
        let ctx = self.slot.context();
        let instance = self.slot.fresh().await?;
        call!(instance, "start", Sink, millrace_plugin_sink, call_start, &ctx).map_err(wit::error::lift)
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<TopicOffset>, TaskError> {
        let wanted = lower_partitions(partitions);
        let instance = self.slot.running()?;
        let offsets = call!(instance, "open", Sink, millrace_plugin_sink, call_open, &wanted).map_err(wit::error::lift)?;
        for o in &offsets {
            if !partitions.iter().any(|p| p.topic == o.topic && p.partition == o.partition) || o.offset < 0 {
                return Err(instance
                    .lied("open", format_args!("offset {} of {}-{}, which was not opened", o.offset, o.topic, o.partition)));
            }
        }
        Ok(lift_offsets(offsets))
    }

    async fn put(&mut self, records: &Batch) -> Result<Vec<RecordFailure>, TaskError> {
        let instance = self.slot.running()?;
        instance.whole()?;
        let lent = LentBatch::lend(&mut instance.store, records)?;
        let borrowed = Resource::new_borrow(lent.rep());
        let answer = call!(instance, "put", Sink, millrace_plugin_sink, call_put, borrowed);
        LentBatch::take_back(&mut instance.store, lent);
        let failed = answer.map_err(wit::error::lift)?;
        Ok(failures(failed, records.len()).map_err(|what| instance.lied("put", what))?.0)
    }

    async fn flush(&mut self, upto: &[TopicOffset]) -> Result<Flushed, TaskError> {
        let lower = |o: &TopicOffset| guest::TopicOffset { topic: o.topic.clone(), partition: o.partition, offset: o.offset };
        let wanted: Vec<_> = upto.iter().map(lower).collect();
        let instance = self.slot.running()?;
        let flushed = call!(instance, "flush", Sink, millrace_plugin_sink, call_flush, &wanted).map_err(wit::error::lift)?;
        // Invariant durable-before-commit: a sink never has offsets committed that the host did not hand it.
        for o in &flushed.offsets {
            if !upto.iter().any(|u| u.topic == o.topic && u.partition == o.partition && o.offset <= u.offset) {
                return Err(
                    instance.lied("flush", format_args!("offset {} of {}-{}, past what was put", o.offset, o.topic, o.partition))
                );
            }
        }
        let late = |mut f: guest::LateFailure| {
            cut(&mut f.message, MESSAGE_BYTES_MAX);
            cut(&mut f.code, CODE_BYTES_MAX);
            LateFailure {
                topic: f.topic,
                partition: f.partition,
                offset: f.offset,
                retriable: f.retriable,
                code: f.code,
                message: f.message,
            }
        };
        Ok(Flushed { offsets: lift_offsets(flushed.offsets), failures: flushed.failures.into_iter().map(late).collect() })
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), TaskError> {
        let partitions = lower_partitions(partitions);
        let instance = self.slot.running()?;
        call!(instance, "close", Sink, millrace_plugin_sink, call_close, &partitions).map_err(wit::error::lift)
    }

    async fn stop(&mut self) {
        let stop = async {
            let instance = self.slot.running()?;
            if !instance.is_broken() {
                call!(instance, "stop", Sink, millrace_plugin_sink, call_stop);
            }
            Ok::<_, TaskError>(())
        };
        if let Err(error) = stop.await {
            tracing::warn!(error = %error, "plugin broke while it was stopped");
        }
        self.slot.instance = None;
    }
}

fn lower_partitions(partitions: &[TopicPartition]) -> Vec<guest::TopicPartition> {
    partitions.iter().map(|p| guest::TopicPartition { topic: p.topic.clone(), partition: p.partition }).collect()
}

fn lift_offsets(offsets: Vec<guest::TopicOffset>) -> Vec<TopicOffset> {
    offsets.into_iter().map(|o| TopicOffset { topic: o.topic, partition: o.partition, offset: o.offset }).collect()
}
